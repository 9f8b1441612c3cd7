//! Commands of a session: lines that are entered at its terminal.

use atoll_types::SandboxId;
use bytes::Bytes;

use super::Sessions;

/// The end of a line as a keyboard and as a program writes it.
const ENDS: [u8; 2] = *b"\r\n";

/// Counts the lines of one connection.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    pub(super) sessions: &'a Sessions,
    pub(super) sandbox: SandboxId,
    /// Of `\r\n` both end one line.
    pub(super) after_return: bool,
}

/// What of a client's message is typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// All of it, or what comes before the end of the first line that is too much.
    pub(crate) input: Bytes,
    /// Seconds until one more is taken, where one was too much. The rest of its message is not typed.
    pub(crate) wait_seconds: Option<u64>,
}

impl Lines<'_> {
    /// Counts the lines that a message enters.
    pub(crate) fn pass(&mut self, input: Bytes) -> Passed {
        pass(&mut self.after_return, input, || self.sessions.command(&self.sandbox))
    }
}

fn pass(after_return: &mut bool, input: Bytes, mut count: impl FnMut() -> Result<(), u64>) -> Passed {
    for (at, byte) in input.iter().enumerate() {
        let is_rest = *byte == b'\n' && *after_return;
        *after_return = *byte == b'\r';
        if is_rest || !ENDS.contains(byte) {
            continue;
        }
        if let Err(seconds) = count() {
            *after_return = false;
            return Passed { input: input.slice(..at), wait_seconds: Some(seconds) };
        }
    }
    Passed { input, wait_seconds: None }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ls", "ls", 0, false)]
    #[case("ls\r", "ls\r", 1, false)]
    #[case("a\rb\n", "a\rb\n", 2, false)]
    #[case("a\r\nb\r\n", "a\r\nb\r\n", 2, false)]
    #[case("\r\r", "\r\r", 2, false)]
    #[case("\n\r", "\n\r", 2, false)]
    #[case("a\rb\rc\rd", "a\rb\rc", 2, true)]
    #[case("\u{3}\u{4}", "\u{3}\u{4}", 0, false)]
    fn lines_are_counted_and_what_is_too_much_is_not_typed(
        #[case] typed: &str,
        #[case] passed: &str,
        #[case] lines: u32,
        #[case] refused: bool,
    ) {
        let mut counted = 0;
        let count = || {
            if counted == 2 {
                return Err(7);
            }
            counted += 1;
            Ok(())
        };
        let result = pass(&mut false, Bytes::copy_from_slice(typed.as_bytes()), count);
        assert_eq!(result.input, passed.as_bytes());
        assert_eq!((counted, result.wait_seconds), (lines, refused.then_some(7)));
    }

    #[test]
    fn a_line_that_ends_in_two_messages_is_one() {
        let (mut after_return, mut counted) = (false, 0);
        for typed in ["a\r", "\n", "b", "\n"] {
            let count = || {
                counted += 1;
                Ok(())
            };
            pass(&mut after_return, Bytes::from_static(typed.as_bytes()), count);
        }
        assert_eq!(counted, 2);
    }
}
