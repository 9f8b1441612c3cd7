//! The instructions of a Dockerfile, each as one line.

use std::fmt::Display;

/// Instructions of one Dockerfile: Docker itself takes no more than 127 layers.
const INSTRUCTIONS_MAX: usize = 1_000;
/// Bytes of one instruction, with the lines on which it goes on: Docker reads no longer line than 64 KiB.
const INSTRUCTION_BYTES_MAX: usize = 60 << 10;

/// What is wrong with a Dockerfile, for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

impl Problem {
    /// Of the whole.
    pub(crate) fn of(what: impl Display) -> Self {
        Self(format!("the Dockerfile {what}"))
    }

    /// Of what begins on a line.
    pub(crate) fn at(line: usize, what: impl Display) -> Self {
        Self(format!("line {line} of the Dockerfile: {what}"))
    }
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// On which line it begins, from 1.
    pub(crate) line: usize,
    /// Its first word, in upper case.
    pub(crate) keyword: String,
    /// The rest, without white space around it.
    pub(crate) rest: String,
}

/// Takes comments away, and joins lines that end with a backslash.
pub(crate) fn instructions(text: &str) -> Result<Vec<Instruction>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    directives(text)?;
    let mut all = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        // Between the lines of one instruction too, as Docker has it.
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let (part, goes_on) = continued(line);
        let (_, joined) = begun.get_or_insert_with(|| (index + 1, String::new()));
        joined.push_str(part);
        if !goes_on && let Some((number, joined)) = begun.take() {
            all.push(instruction(number, &joined)?);
        }
    }
    if let Some((number, joined)) = begun {
        all.push(instruction(number, &joined)?);
    }
    if all.len() > INSTRUCTIONS_MAX {
        return Err(Problem::of(format!("must have at most {INSTRUCTIONS_MAX} instructions")));
    }
    Ok(all)
}

/// Comments before everything else may say how it is to be read.
fn directives(text: &str) -> Result<(), Problem> {
    for (index, line) in text.lines().enumerate() {
        let Some((name, value)) = line.trim().strip_prefix('#').and_then(|rest| rest.split_once('=')) else {
            break;
        };
        if name.trim().eq_ignore_ascii_case("escape") && value.trim() != "\\" {
            return Err(Problem::at(index + 1, "lines go on after a backslash only: take 'escape' away"));
        }
    }
    Ok(())
}

/// A line without the backslash at its end, and whether it had one. Docker's releases do not agree on two of them; those are refused
/// below.
fn continued(line: &str) -> (&str, bool) {
    let end = line.trim_end_matches([' ', '\t']);
    match end.strip_suffix('\\') {
        Some(before) if !before.ends_with('\\') => (before, true),
        _ => (line, false),
    }
}

fn instruction(line: usize, joined: &str) -> Result<Instruction, Problem> {
    let text = joined.trim();
    if joined.len() > INSTRUCTION_BYTES_MAX {
        let most = INSTRUCTION_BYTES_MAX >> 10;
        return Err(Problem::at(line, format!("an instruction must have at most {most} KiB")));
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Problem::at(line, "must have no control characters"));
    }
    if text.ends_with('\\') {
        return Err(Problem::at(line, "must not end with a backslash"));
    }
    let (keyword, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    Ok(Instruction { line, keyword: keyword.to_ascii_uppercase(), rest: rest.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String, String)> {
        let all = instructions(text).unwrap();
        all.into_iter().map(|one| (one.line, one.keyword, one.rest)).collect()
    }

    fn one(line: usize, keyword: &str, rest: &str) -> (usize, String, String) {
        (line, keyword.to_owned(), rest.to_owned())
    }

    #[test]
    fn lines_are_joined_and_comments_go() {
        let text = "\u{feff}# syntax=docker/dockerfile:1\n# escape=\\\n\nfrom  a\r\n# x\nRUN a \\\n  # in between\n\n  && b\\ \n&& c\nCMD";
        assert_eq!(read(text), [one(4, "FROM", "a"), one(6, "RUN", "a   && b&& c"), one(11, "CMD", "")]);
        assert_eq!(read("RUN a \\\n"), [one(1, "RUN", "a")]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn what_docker_might_read_otherwise_is_refused() {
        for (text, says) in [
            ("# escape=`\nFROM a", "escape"),
            ("FROM a\nRUN b\\\\\nRUN c", "line 2"),
            ("RUN a\u{0}b", "control"),
            ("RUN a\rRUN b", "control"),
        ] {
            let error = instructions(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        assert!(instructions(&"RUN a\n".repeat(INSTRUCTIONS_MAX + 1)).is_err());
        assert!(instructions(&format!("RUN {}", "a".repeat(INSTRUCTION_BYTES_MAX))).is_err());
        // A comment that is no directive ends them.
        assert!(instructions("# a comment\n# escape=`\nFROM a").is_ok());
    }
}
