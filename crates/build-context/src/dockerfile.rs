//! A Dockerfile as far as it must be understood.

use std::collections::{BTreeMap, BTreeSet};

use crate::lines::{Instruction, Problem, instructions};
use crate::origin::{Origin, Stages, stage_name};
use crate::variables::{Variables, is_name};

/// Bytes of a Dockerfile.
pub(crate) const DOCKERFILE_BYTES_MAX: u64 = 256 << 10;
/// Stages of one Dockerfile.
const STAGES_MAX: usize = 64;
/// Instructions that go to Docker as they are, each on one line.
const PLAIN: [&str; 12] = [
    "RUN",
    "CMD",
    "MAINTAINER",
    "EXPOSE",
    "ENV",
    "ENTRYPOINT",
    "VOLUME",
    "USER",
    "WORKDIR",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "SHELL",
];
/// What `ADD` takes a text apart by: with these a name could become another one in Docker.
const SPECIAL: [char; 4] = ['$', '\\', '"', '\''];

/// What Docker calls this host's system and processor.
#[must_use]
pub fn host_platform() -> String {
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{processor}")
}

/// What is asked for beside the Dockerfile itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Values of its `ARG`s.
    pub args: BTreeMap<String, String>,
    /// The stage that is wanted, by name or number; the last one where nothing is said.
    pub target: Option<&'a str>,
    /// The platform of this host, such as `linux/amd64`.
    pub platform: &'a str,
}

/// What one instruction becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    From {
        origin: Origin,
        name: Option<String>,
    },
    Copy {
        keyword: String,
        flags: Vec<String>,
        from: Option<Origin>,
        rest: String,
    },
    Plain {
        keyword: String,
        rest: String,
    },
    /// Atoll keeps none.
    Label,
}

/// One instruction that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    /// As its author knows it.
    pub(crate) shown: String,
    pub(crate) what: What,
}

/// A Dockerfile up to the stage that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    pub(crate) steps: Vec<Step>,
}

impl Dockerfile {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, or what no build here takes.
    pub fn parse(text: &str, asked: &Asked<'_>) -> Result<Self, Problem> {
        if text.len() as u64 > DOCKERFILE_BYTES_MAX {
            return Err(Problem::of(format!("must have at most {} KiB", DOCKERFILE_BYTES_MAX >> 10)));
        }
        let mut reader = Reader::new(asked);
        let mut steps = Vec::new();
        for one in instructions(text)? {
            let what = reader.read(&one).map_err(|what| Problem::at(one.line, what))?;
            let shown = format!("{} {}", one.keyword, one.rest).trim_end().to_owned();
            steps.push(Step { line: one.line, shown, what });
        }
        if reader.stages.len() == 0 {
            return Err(Problem::of("must have a FROM: it says which image the build begins with"));
        }
        if let Some(target) = asked.target {
            cut(&mut steps, reader.number(target)?);
        }
        Ok(Self { steps })
    }

    /// The images that it needs, by its own names for them.
    #[must_use]
    pub fn images(&self) -> BTreeSet<String> {
        let origin = |step: &Step| match &step.what {
            What::From { origin: Origin::Image(name), .. }
            | What::Copy { from: Some(Origin::Image(name)), .. } => Some(name.clone()),
            _ => None,
        };
        self.steps.iter().filter_map(origin).collect()
    }
}

/// Leaves out what comes after a stage.
fn cut(steps: &mut Vec<Step>, stage: usize) {
    let begins = steps.iter().enumerate().filter(|(_, step)| matches!(step.what, What::From { .. }));
    let next = begins.map(|(at, _)| at).nth(stage + 1);
    if let Some(end) = next {
        steps.truncate(end);
    }
}

struct Reader<'a> {
    asked: &'a Asked<'a>,
    /// Those before the first `FROM`, which alone count in `FROM`.
    variables: Variables,
    stages: Stages,
}

impl<'a> Reader<'a> {
    fn new(asked: &'a Asked<'a>) -> Self {
        let mut variables = Variables::default();
        for name in ["TARGETPLATFORM", "BUILDPLATFORM"] {
            variables.set(name, asked.platform.to_owned());
        }
        Self { asked, variables, stages: Stages::default() }
    }

    fn number(&self, target: &str) -> Result<usize, Problem> {
        let by_number = target.parse().ok().filter(|number| *number < self.stages.len());
        let found = self.stages.named(&target.to_ascii_lowercase()).or(by_number);
        found.ok_or_else(|| Problem::of(format!("has no stage '{}'", target.escape_debug())))
    }

    fn read(&mut self, one: &Instruction) -> Result<What, String> {
        let (keyword, rest) = (one.keyword.clone(), one.rest.clone());
        match keyword.as_str() {
            "FROM" => return self.from(&rest),
            "ARG" if self.stages.len() == 0 => return self.global(&rest),
            _ if self.stages.len() == 0 => return Err("only ARG may come before the first FROM".to_owned()),
            _ => {}
        }
        match keyword.as_str() {
            "COPY" | "ADD" => self.copy(keyword, &rest),
            "RUN" if rest.starts_with("--") => {
                Err("RUN takes no flags here: mounts, secrets and networks of BuildKit's are not to be had"
                    .to_owned())
            }
            "LABEL" => Ok(What::Label),
            "ONBUILD" => Err("ONBUILD is not taken: put it into the Dockerfile that needs it".to_owned()),
            "ARG" => Ok(What::Plain { keyword, rest }),
            known if PLAIN.contains(&known) => {
                if known == "RUN" {
                    no_here_document(&rest)?;
                }
                Ok(What::Plain { keyword, rest })
            }
            other => Err(format!("there is no instruction '{}'", shortened(other))),
        }
    }

    /// `FROM [--platform=P] IMAGE [AS NAME]`
    fn from(&mut self, rest: &str) -> Result<What, String> {
        if self.stages.len() == STAGES_MAX {
            return Err(format!("there may be at most {STAGES_MAX} stages"));
        }
        let mut words: Vec<&str> = rest.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        while words.first().is_some_and(|word| word.starts_with("--")) {
            self.platform(words.remove(0))?;
        }
        let (image, name) = match words.as_slice() {
            [image] => (*image, None),
            [image, with, name] if with.eq_ignore_ascii_case("as") => (*image, Some(*name)),
            _ => return Err("must be FROM IMAGE, or FROM IMAGE AS NAME".to_owned()),
        };
        let image = self.variables.expand(image)?;
        let origin = self.stages.from(&image)?;
        let name = name.map(stage_name).transpose()?;
        self.stages.begin(name.clone());
        Ok(What::From { origin, name })
    }

    fn platform(&self, flag: &str) -> Result<(), String> {
        let Some(asked) = flag.strip_prefix("--platform=") else {
            return Err("FROM takes no flag but --platform".to_owned());
        };
        let asked = self.variables.expand(asked)?;
        let ours = self.asked.platform;
        if asked == ours { Ok(()) } else { Err(format!("this host builds for {ours} only")) }
    }

    /// `ARG NAME[=DEFAULT]...` before the first `FROM`.
    fn global(&mut self, rest: &str) -> Result<What, String> {
        for word in words(rest) {
            let (name, default) =
                word.split_once('=').map_or((word, None), |(name, text)| (name, Some(text)));
            if !is_name(name) {
                return Err("must be ARG NAME, or ARG NAME=DEFAULT".to_owned());
            }
            let default = default.map(|text| self.variables.expand(text)).transpose()?;
            if let Some(value) = self.asked.args.get(name).cloned().or(default) {
                self.variables.set(name, value);
            }
        }
        Ok(What::Plain { keyword: "ARG".to_owned(), rest: rest.to_owned() })
    }

    fn copy(&self, keyword: String, rest: &str) -> Result<What, String> {
        no_here_document(rest)?;
        let (flags, rest) = flags(rest)?;
        let mut from = None;
        let mut kept = Vec::new();
        for flag in flags {
            match flag.strip_prefix("--from=") {
                Some(name) if keyword == "COPY" && from.is_none() => from = Some(self.stages.copied(name)?),
                Some(_) => return Err("--from is for COPY, and once".to_owned()),
                None => kept.push(flag.to_owned()),
            }
        }
        let rest = if keyword == "ADD" { added(rest)? } else { rest.to_owned() };
        Ok(What::Copy { keyword, flags: kept, from, rest })
    }
}

/// Flags of `COPY` and `ADD`, and what is behind them.
fn flags(rest: &str) -> Result<(Vec<&str>, &str), String> {
    let (mut all, mut rest) = (Vec::new(), rest);
    while rest.starts_with("--") {
        let (flag, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let plain = |c: char| !c.is_whitespace() && !['\\', '"', '\''].contains(&c);
        let is_from = flag.starts_with("--from");
        if !flag.contains('=') || !flag.chars().all(plain) || (is_from && flag.contains('$')) {
            return Err(format!("the flag '{}' is not understood", shortened(flag)));
        }
        all.push(flag);
        rest = after.trim();
    }
    Ok((all, rest))
}

/// What `ADD` copies, which must be files of the context: Docker itself would fetch what is an address, out of the host's network.
fn added(rest: &str) -> Result<String, String> {
    let listed: Option<Vec<String>> = serde_json::from_str(rest).ok();
    let all: Vec<String> = listed.clone().unwrap_or_else(|| {
        rest.split([' ', '\t']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    });
    let sources = all.split_last().map_or(&[][..], |(_, sources)| sources);
    if sources.iter().any(|source| source.contains("://") || source.starts_with("git@")) {
        return Err("ADD takes no address here: have RUN fetch it, or COPY it".to_owned());
    }
    if sources.iter().any(|source| source.contains(SPECIAL)) {
        return Err("ADD takes no variables, quotes or backslashes in what it adds: use COPY".to_owned());
    }
    listed.map_or_else(|| Ok(rest.to_owned()), |list| serde_json::to_string(&list).map_err(|e| e.to_string()))
}

/// A here-document needs BuildKit; others would take its lines for instructions.
fn no_here_document(rest: &str) -> Result<(), String> {
    let begins = |word: &str| {
        let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(word) = word.strip_prefix("<<") else { return false };
        let word = word.trim_start_matches('-').trim_start_matches(['"', '\'']);
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    };
    if rest.split([' ', '\t']).any(begins) {
        return Err("here-documents are not taken: join commands with &&, or COPY a file".to_owned());
    }
    Ok(())
}

/// Splits at white space that stands in no quotes.
fn words(text: &str) -> Vec<&str> {
    let (mut all, mut start, mut quote, mut escaped) = (Vec::new(), None, None, false);
    for (at, c) in text.char_indices() {
        if quote.is_none() && !escaped && (c == ' ' || c == '\t') {
            all.extend(start.take().map(|start: usize| &text[start..at]));
            continue;
        }
        start.get_or_insert(at);
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            _ => {}
        }
    }
    all.extend(start.map(|start| &text[start..]));
    all
}

/// What somebody wrote, in a message.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked<'static> {
        Asked { platform: "linux/amd64", ..Asked::default() }
    }

    fn parsed(text: &str) -> Result<Dockerfile, Problem> {
        Dockerfile::parse(text, &asked())
    }

    fn images(text: &str, asked: &Asked<'_>) -> Vec<String> {
        Dockerfile::parse(text, asked).unwrap().images().into_iter().collect()
    }

    #[test]
    fn images_are_named_with_variables_and_stages_are_none() {
        let text = "ARG TAG=12 BASE=\"debian:$TAG\"\nFROM --platform=$TARGETPLATFORM $BASE AS Build\nRUN x\n\
                    FROM build\nCOPY --from=0 /a /b\nCOPY --from=Build /a /b\nCOPY --from=tools:1 /a /b\nFROM scratch";
        assert_eq!(images(text, &asked()), ["debian:12", "tools:1"]);
        let args = BTreeMap::from([("TAG".to_owned(), "13".to_owned())]);
        assert_eq!(images(text, &Asked { args, ..asked() }), ["debian:13", "tools:1"]);
    }

    #[test]
    fn what_comes_after_the_wanted_stage_is_not_looked_at() {
        let text = "FROM a AS one\nFROM b AS two\nRUN x\nFROM c";
        for (target, needs) in
            [("one", &["a"][..]), ("TWO", &["a", "b"]), ("1", &["a", "b"]), ("2", &["a", "b", "c"])]
        {
            assert_eq!(images(text, &Asked { target: Some(target), ..asked() }), needs, "{target}");
        }
        let none = Dockerfile::parse(text, &Asked { target: Some("three"), ..asked() }).unwrap_err();
        assert_eq!(none.to_string(), "the Dockerfile has no stage 'three'");
    }

    #[test]
    fn what_no_build_takes_is_refused() {
        for (line, says) in [
            ("ADD http://127.0.0.1/x /x", "no address"),
            ("ADD a HTTPS://example.com/x /x", "no address"),
            ("ADD [\"\\u0068ttp://x\", \"/x\"]", "no address"),
            ("ADD git@example.com:a/b /x", "no address"),
            ("ADD $URL /x", "no variables"),
            ("ADD h\"ttp:\"//x /x", "no variables"),
            ("ADD ht\\tp:\\/\\/x /x", "no variables"),
            ("ADD --from=a b c", "--from is for COPY"),
            ("COPY --from=$A b c", "not understood"),
            ("COPY --fr\"om\"=a b c", "not understood"),
            ("COPY --from=1 b c", "no stage"),
            ("COPY -- b c", "not understood"),
            ("COPY <<EOF /x", "here-documents"),
            ("RUN cat <<-\"EOF\"", "here-documents"),
            ("RUN --mount=type=bind,from=x true", "no flags"),
            ("ONBUILD RUN x", "ONBUILD"),
            ("INCLUDE x", "no instruction 'INCLUDE'"),
            ("FROM --foo=a b", "--platform"),
            ("FROM --platform=linux/s390x b", "linux/amd64 only"),
            ("FROM a b", "FROM IMAGE"),
            ("FROM $NOTHING", "no value"),
            ("FROM a AS b:c", "name of a stage"),
        ] {
            let error = parsed(&format!("FROM a\n{line}")).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("line 2"), "{line}: {error}");
        }
        for text in ["", "# x", "RUN x\nFROM a", "ARG 1x\nFROM a"] {
            assert!(parsed(text).is_err(), "{text}");
        }
        assert!(parsed(&format!("FROM a\n{}", "# comment\n".repeat(30_000))).is_err());
        assert!(parsed(&"FROM a\n".repeat(STAGES_MAX + 1)).is_err());
    }

    #[test]
    fn words_may_be_quoted() {
        assert_eq!(
            words(" A=1  B=\"x y\" C='a \" b' D=a\\ b "),
            ["A=1", "B=\"x y\"", "C='a \" b'", "D=a\\ b"]
        );
    }
}
