//! What programs have switched on in the person's terminal, so that it can be switched off when they no longer can.

use std::collections::BTreeSet;

/// Modes that would be in a person's way: keys of the cursor, colours turned round, mouse, focus, the other screen,
/// brackets around pastes.
const UNWANTED: [u16; 12] = [1, 5, 47, 1000, 1002, 1003, 1004, 1006, 1015, 1047, 1049, 2004];
/// The cursor: on is the usual.
const CURSOR: u16 = 25;
/// Longest number of a mode, in digits.
const DIGITS_MAX: usize = 5;

/// How far a sequence has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    Escape,
    Bracket,
    /// The numbers so far, and the one that is being read.
    Numbers(Vec<u16>, String),
}

/// Follows the output.
#[derive(Debug, Default)]
pub(super) struct Modes {
    place: Place,
    on: BTreeSet<u16>,
    cursor_off: bool,
}

/// Numbers of one sequence.
const NUMBERS_MAX: usize = 16;

impl Modes {
    /// The terminal is sent this.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.see_one(*byte));
    }

    fn see_one(&mut self, byte: u8) {
        self.place = match (std::mem::take(&mut self.place), byte) {
            (_, 0x1b) => Place::Escape,
            (Place::Escape, b'[') => Place::Bracket,
            (Place::Bracket, b'?') => Place::Numbers(Vec::new(), String::new()),
            (Place::Numbers(numbers, mut number), b'0'..=b'9') if number.len() < DIGITS_MAX => {
                number.push(char::from(byte));
                Place::Numbers(numbers, number)
            }
            (Place::Numbers(mut numbers, number), b';' | b'h' | b'l') if numbers.len() < NUMBERS_MAX => {
                numbers.extend(number.parse::<u16>());
                if byte == b';' {
                    Place::Numbers(numbers, String::new())
                } else {
                    numbers.iter().for_each(|mode| self.switch(*mode, byte == b'h'));
                    Place::Text
                }
            }
            _ => Place::Text,
        };
    }

    fn switch(&mut self, mode: u16, on: bool) {
        if mode == CURSOR {
            self.cursor_off = !on;
        } else if on && UNWANTED.contains(&mode) {
            self.on.insert(mode);
        } else {
            self.on.remove(&mode);
        }
    }

    /// What switches all of it off.
    pub(super) fn undo(&self) -> Vec<u8> {
        let mut text: String = self.on.iter().rev().map(|mode| format!("\x1b[?{mode}l")).collect();
        if self.cursor_off {
            text.push_str("\x1b[?25h");
        }
        // Colours, and the keypad.
        text.push_str("\x1b[0m\x1b>\r\n");
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(output: &str) -> String {
        let mut modes = Modes::default();
        // In the smallest pieces.
        output.bytes().for_each(|byte| modes.see(&[byte]));
        String::from_utf8(modes.undo()).unwrap()
    }

    #[test]
    fn what_is_on_is_switched_off() {
        let usual = "\x1b[0m\x1b>\r\n";
        assert_eq!(undone("plain \x1b[31mred\x1b[0m"), usual);
        assert_eq!(
            undone("\x1b[?1049h\x1b[?25l\x1b[?1000;1006h"),
            format!("\x1b[?1049l\x1b[?1006l\x1b[?1000l\x1b[?25h{usual}")
        );
        assert_eq!(undone("\x1b[?1049h\x1b[?25l…\x1b[?25h\x1b[?1049l"), usual);
        assert_eq!(undone("\x1b[?99999999999999h\x1b[?;;;h\x1b[?7h"), usual);
    }
}
