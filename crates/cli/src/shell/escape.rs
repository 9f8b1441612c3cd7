//! The way out when the shell answers nothing: Enter, then `~.`, as with ssh. `~~` is one `~`.

/// Where the person is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// At the beginning of a line.
    #[default]
    Line,
    /// After a `~` there, which is held back.
    Tilde,
    /// Elsewhere.
    Inside,
}

/// Looks at the keys.
#[derive(Debug, Default)]
pub(crate) struct Escape(Place);

impl Escape {
    /// The keys that go inside, and whether the person leaves.
    pub(crate) fn pass(&mut self, keys: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(keys.len() + 1);
        for &key in keys {
            match (self.0, key) {
                (Place::Tilde, b'.') => return (passed, true),
                (Place::Line, b'~') => {
                    self.0 = Place::Tilde;
                    continue;
                }
                (Place::Tilde, b'~') | (Place::Line | Place::Inside, _) => {}
                (Place::Tilde, _) => passed.push(b'~'),
            }
            passed.push(key);
            self.0 = if matches!(key, b'\r' | b'\n') { Place::Line } else { Place::Inside };
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(keys: &[u8]) -> (String, bool) {
        let mut escape = Escape::default();
        let mut all = Vec::new();
        // One key at a time, as they are typed.
        for key in keys {
            let (keys, left) = escape.pass(&[*key]);
            all.extend(keys);
            if left {
                return (String::from_utf8(all).unwrap(), true);
            }
        }
        (String::from_utf8(all).unwrap(), false)
    }

    #[test]
    fn only_at_the_beginning_of_a_line() {
        assert_eq!(passed(b"~."), (String::new(), true));
        assert_eq!(passed(b"ls\r~.x"), ("ls\r".to_owned(), true));
        assert_eq!(passed(b"ls ~.\r"), ("ls ~.\r".to_owned(), false));
        assert_eq!(passed(b"~~.\r"), ("~.\r".to_owned(), false));
        assert_eq!(passed(b"~/bin\r~a"), ("~/bin\r~a".to_owned(), false));
        assert_eq!(Escape::default().pass(b"a\r~.b"), (b"a\r".to_vec(), true));
    }
}
