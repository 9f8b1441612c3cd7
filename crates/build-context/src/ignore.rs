//! What `.dockerignore` leaves out.
//!
//! The rules are Docker's, which are not those of git: a pattern begins at the top of the context, and not in any folder (`**/x` is for
//! that); a `/` before it counts for nothing; what is below a folder that matches is left out with it, and may be taken in again by a
//! later line with `!`; the last line that matches counts.

/// The lines of a `.dockerignore`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignored(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    takes_in: bool,
    pattern: Vec<char>,
}

impl Ignored {
    /// Reads them. Comments begin with `#`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
        Self(lines.filter_map(Rule::parse).collect())
    }

    /// Whether what is at a path below the context, without `/` before it, is left out.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        self.0.iter().rev().find(|rule| rule.matches(&path)).is_some_and(|rule| !rule.takes_in)
    }

    /// Whether something below a folder that is left out may be taken in again.
    #[must_use]
    pub fn takes_in(&self) -> bool {
        self.0.iter().any(|rule| rule.takes_in)
    }
}

impl Rule {
    fn parse(line: &str) -> Option<Self> {
        let (takes_in, rest) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
        let mut parts: Vec<&str> = Vec::new();
        for part in rest.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let pattern: Vec<char> = parts.join("/").chars().collect();
        (!pattern.is_empty()).then_some(Self { takes_in, pattern })
    }

    /// Whether it matches the path, or a folder on the way to it.
    fn matches(&self, path: &[char]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, c)| **c == '/').map(|(at, _)| at);
        ends.chain([path.len()]).any(|end| matches(&self.pattern, &path[..end]))
    }
}

/// `*` and `?` are for anything but `/`, `**` for that too, `[a-z]` and `[^a-z]` for one character, and a backslash takes the meaning
/// from what follows it.
fn matches(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', '*', '/', rest @ ..] => {
            let below = text.iter().enumerate().filter(|(_, c)| **c == '/').map(|(at, _)| at + 1);
            [0].into_iter().chain(below).any(|start| matches(rest, &text[start..]))
        }
        ['*', '*', rest @ ..] => (0..=text.len()).any(|start| matches(rest, &text[start..])),
        ['*', rest @ ..] => {
            let end = text.iter().position(|c| *c == '/').unwrap_or(text.len());
            (0..=end).any(|start| matches(rest, &text[start..]))
        }
        ['?', rest @ ..] => text.split_first().is_some_and(|(c, text)| *c != '/' && matches(rest, text)),
        ['[', class @ ..] => {
            let Some((c, text)) = text.split_first() else { return false };
            one_of(class, *c).is_some_and(|(is_in, rest)| is_in && matches(rest, text))
        }
        ['\\', c, rest @ ..] | [c, rest @ ..] => text.first() == Some(c) && matches(rest, &text[1..]),
    }
}

/// Whether a character is in a class, and what is behind the class; nothing where it has no end.
fn one_of(class: &[char], c: char) -> Option<(bool, &[char])> {
    let (is_not, mut rest) = match class {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut is_in = false;
    let mut is_first = true;
    loop {
        let (range, behind) = match rest {
            [']', behind @ ..] if !is_first => return Some(((is_in != is_not) && c != '/', behind)),
            ['\\', one, behind @ ..] => (*one..=*one, behind),
            [from, '-', to, behind @ ..] if *to != ']' => (*from..=*to, behind),
            [one, behind @ ..] => (*one..=*one, behind),
            [] => return None,
        };
        is_in |= range.contains(&c);
        is_first = false;
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(rules: &str, paths: &[&str]) -> Vec<String> {
        let ignored = Ignored::parse(rules);
        paths.iter().filter(|path| ignored.has(path)).map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn patterns_begin_at_the_top() {
        let paths = ["a.log", "x/a.log", "target", "target/x/y", "x/target", "README.md", "b"];
        assert_eq!(left_out("*.log\n/target/\n# b", &paths), ["a.log", "target", "target/x/y"]);
        assert_eq!(
            left_out("**/*.log\n**/target", &paths),
            ["a.log", "x/a.log", "target", "target/x/y", "x/target"]
        );
        assert_eq!(left_out("x/../b\n.\n\n!", &paths), ["b"]);
        assert_eq!(left_out("x/**", &paths), ["x/a.log", "x/target"]);
    }

    #[test]
    fn the_last_line_that_matches_counts() {
        let paths = ["docs/a.md", "docs/keep.md", "docs/deep/keep.md", "src"];
        assert_eq!(left_out("*\n!docs/keep.md", &paths), ["docs/a.md", "docs/deep/keep.md", "src"]);
        assert_eq!(left_out("!docs\ndocs", &paths), ["docs/a.md", "docs/keep.md", "docs/deep/keep.md"]);
        assert!(Ignored::parse("a\n!b").takes_in() && !Ignored::parse("a").takes_in());
    }

    #[test]
    fn single_characters_and_classes() {
        let paths = ["a1", "ab", "a/", "a]", "a-", "a?"];
        assert_eq!(left_out("a?", &paths), ["a1", "ab", "a]", "a-", "a?"]);
        assert_eq!(left_out("a[0-9]", &paths), ["a1"]);
        assert_eq!(left_out("a[^0-9]", &paths), ["ab", "a]", "a-", "a?"]);
        assert_eq!(left_out("a[]-]", &paths), ["a]", "a-"]);
        assert_eq!(left_out("a\\?", &paths), ["a?"]);
        assert_eq!(left_out("a[b", &paths), Vec::<String>::new());
    }
}
