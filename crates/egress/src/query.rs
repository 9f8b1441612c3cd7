//! What a sandbox asks: every byte of it is hostile.

/// Bytes of the header of every message (RFC 1035, 4.1.1).
pub(crate) const HEADER_BYTES: usize = 12;

/// Longest query that is looked at, in bytes: the longest name, and options, which are dropped.
pub(crate) const QUERY_BYTES_MAX: usize = 1_024;

/// Longest name, in bytes (RFC 1035, 3.1).
const NAME_BYTES_MAX: usize = 255;
/// Longest part of a name, in bytes.
const LABEL_BYTES_MAX: u8 = 63;

/// Longest answer by UDP to who does not say that more fits, in bytes.
const UDP_BYTES: u16 = 512;
/// Longest answer by UDP to anybody, in bytes: it must fit into one packet on every way (the DNS flag day of 2020).
const UDP_BYTES_MAX: u16 = 1_232;

/// The class of the Internet.
const CLASS: u16 = 1;
/// The record that carries options (RFC 6891).
const OPTIONS: u16 = 41;
/// First type that is no record of a name but a request of another kind: keys, signatures, transfers of whole zones, everything.
const META_TYPES: std::ops::RangeInclusive<u16> = 249..=255;

// Flags of the header's third and fourth byte.
const IS_ANSWER: u8 = 0x80;
const OPERATION: u8 = 0x78;
const RECURSION_WANTED: u8 = 0x01;
const CHECKING_DISABLED: u8 = 0x10;
const AUTHENTIC_WANTED: u8 = 0x20;

/// Codes of refusals.
const FORMAT_ERROR: u8 = 1;
const NOT_IMPLEMENTED: u8 = 4;
const REFUSED: u8 = 5;

/// One question of an ordinary kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// The asker's number.
    id: u16,
    /// Name, type and class, as they were asked.
    question: Vec<u8>,
    /// Those of the asker's flags that go on.
    flags: u8,
    /// Whether options were sent, and whether signatures were wanted.
    options: Option<bool>,
    /// Longest answer by UDP, in bytes.
    udp_bytes_max: u16,
}

/// What is not asked further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no query, and gets no answer.
    Silent,
    /// It gets this answer.
    Answer(Vec<u8>),
}

impl Query {
    /// Takes a message apart.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Refusal::Silent);
        };
        if header[2] & IS_ANSWER != 0 || bytes.len() > QUERY_BYTES_MAX {
            return Err(Refusal::Silent);
        }
        if header[2] & OPERATION != 0 {
            return Err(refuse(header, NOT_IMPLEMENTED));
        }
        // One question, no answer, no authority, at most the options.
        let [.., 0, 1, 0, 0, 0, 0, 0, additional @ 0..=1] = *header else {
            return Err(refuse(header, FORMAT_ERROR));
        };
        let (question, rest) = split_question(rest).ok_or_else(|| refuse(header, FORMAT_ERROR))?;
        if !is_ordinary(question) {
            return Err(refuse(header, REFUSED));
        }
        let options = if additional == 1 { options(rest) } else { Some((None, UDP_BYTES)) };
        let (options, udp_bytes_max) = options.ok_or_else(|| refuse(header, FORMAT_ERROR))?;
        Ok(Self {
            id: u16::from_be_bytes([header[0], header[1]]),
            question: question.to_vec(),
            flags: header[3] & (CHECKING_DISABLED | AUTHENTIC_WANTED),
            options,
            udp_bytes_max,
        })
    }

    /// A new query with this question and another number.
    pub(crate) fn ask(&self, id: u16) -> Vec<u8> {
        let mut bytes = self.head(id, RECURSION_WANTED, self.flags, u8::from(self.options.is_some()));
        if let Some(signatures) = self.options {
            // The root's name, the type, the size, no code, version 0, flags, no options.
            bytes.push(0);
            bytes.extend(OPTIONS.to_be_bytes());
            bytes.extend(UDP_BYTES_MAX.to_be_bytes());
            bytes.extend([0, 0, if signatures { 0x80 } else { 0 }, 0, 0, 0]);
        }
        bytes
    }

    /// An answer that says no more than that there is none here: with the truncated flag, or with a code.
    pub(crate) fn answer_nothing(&self, truncated: bool, code: u8) -> Vec<u8> {
        let flags = IS_ANSWER | RECURSION_WANTED | if truncated { 0x02 } else { 0 };
        self.head(self.id, flags, 0x80 | code, 0)
    }

    fn head(&self, id: u16, high: u8, low: u8, additional: u8) -> Vec<u8> {
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend([high, low, 0, 1, 0, 0, 0, 0, 0, additional]);
        bytes.extend(&self.question);
        bytes
    }

    /// The asker's number.
    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    /// Name, type and class.
    pub(crate) fn question(&self) -> &[u8] {
        &self.question
    }

    /// Longest answer by UDP, in bytes.
    pub(crate) fn udp_bytes_max(&self) -> usize {
        self.udp_bytes_max.into()
    }
}

fn refuse(header: &[u8; HEADER_BYTES], code: u8) -> Refusal {
    let flags = IS_ANSWER | header[2] & (OPERATION | RECURSION_WANTED);
    Refusal::Answer(vec![header[0], header[1], flags, 0x80 | code, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// The first question, and what is behind it. A name in it is whole: there is nothing before it to point to.
pub(crate) fn split_question(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        let length = *bytes.get(at)?;
        if length > LABEL_BYTES_MAX {
            return None;
        }
        at += 1 + usize::from(length);
        if at > NAME_BYTES_MAX {
            return None;
        }
        if length == 0 {
            return bytes.split_at_checked(at + 4);
        }
    }
}

fn is_ordinary(question: &[u8]) -> bool {
    let Some(&[a, b, c, d]) = question.last_chunk::<4>() else { return false };
    let (kind, class) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    class == CLASS && kind != 0 && kind != OPTIONS && !META_TYPES.contains(&kind)
}

/// Whether signatures are wanted, and how long an answer may be; of the record of options, which must be all that is left.
fn options(bytes: &[u8]) -> Option<(Option<bool>, u16)> {
    let (
        &[root, kind_high, kind_low, size_high, size_low, _code, _version, flags, _, length_high, length_low],
        rest,
    ) = bytes.split_first_chunk::<11>()?;
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let is_options =
        root == 0 && u16::from_be_bytes([kind_high, kind_low]) == OPTIONS && rest.len() == length;
    let size = u16::from_be_bytes([size_high, size_low]).clamp(UDP_BYTES, UDP_BYTES_MAX);
    is_options.then_some((Some(flags & 0x80 != 0), size))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A name as messages hold it.
    pub(crate) const EXAMPLE: &[u8] = b"\x07example\x04test\x00";

    /// A query for a name and a type, numbered 0x1234.
    pub(crate) fn query(name: &[u8], kind: u16) -> Vec<u8> {
        [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name, &kind.to_be_bytes(), &[0, 1]].concat()
    }

    fn code(refused: Result<Query, Refusal>) -> u8 {
        match refused {
            Err(Refusal::Answer(bytes)) => bytes[3] & 0x0F,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_ordinary_question_goes_on_in_a_new_query() {
        let asked = Query::parse(&query(EXAMPLE, 1)).unwrap();
        let mut expected = query(EXAMPLE, 1);
        expected[..2].copy_from_slice(&[0xAB, 0xCD]);
        assert_eq!(asked.ask(0xABCD), expected);
        assert_eq!(asked.udp_bytes_max(), 512);
    }

    #[test]
    fn of_options_only_the_room_and_the_wish_for_signatures_go_on() {
        let mut bytes = query(EXAMPLE, 1);
        bytes[11] = 1;
        // 4,096 bytes, signatures, and an option of four bytes that names the asker's network.
        bytes.extend([0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 8, 0, 8, 0, 4, 1, 2, 3, 4]);
        let asked = Query::parse(&bytes).unwrap();
        assert_eq!(asked.udp_bytes_max(), 1_232);
        assert!(asked.ask(1).ends_with(&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]));
        bytes.push(0);
        assert_eq!(code(Query::parse(&bytes)), FORMAT_ERROR);
    }

    #[test]
    fn other_operations_than_questions_are_refused() {
        let mut update = query(EXAMPLE, 6);
        update[2] = 5 << 3;
        assert_eq!(code(Query::parse(&update)), NOT_IMPLEMENTED);
        for kind in [249, 250, 251, 252, 255, 41, 0] {
            assert_eq!(code(Query::parse(&query(EXAMPLE, kind))), REFUSED, "{kind}");
        }
        let mut chaos = query(b"\x07version\x04bind\x00", 16);
        *chaos.last_mut().unwrap() = 3;
        assert_eq!(code(Query::parse(&chaos)), REFUSED);
    }

    #[test]
    fn malformed_queries_are_refused_and_answers_are_not_answered() {
        let long = [&[63; 64][..], &[63; 64], &[63; 64], &[63; 64], &[0]].concat();
        for name in [&b"\xC0\x0C"[..], b"\x05abc\x00", b"\x40", &long] {
            assert_eq!(code(Query::parse(&query(name, 1))), FORMAT_ERROR, "{name:?}");
        }
        for (at, value) in [(5, 2), (5, 0), (7, 1), (9, 1), (11, 2), (11, 1)] {
            let mut bytes = query(EXAMPLE, 1);
            bytes[at] = value;
            assert_eq!(code(Query::parse(&bytes)), FORMAT_ERROR, "{at}");
        }
        let mut answer = query(EXAMPLE, 1);
        answer[2] |= 0x80;
        for bytes in [&answer[..], &[], &[0; 11], &[0; QUERY_BYTES_MAX + 1]] {
            assert_eq!(Query::parse(bytes), Err(Refusal::Silent));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_hurt(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(query) = Query::parse(&bytes) {
                let asked = query.ask(1);
                prop_assert_eq!(Query::parse(&asked).map(|query| query.question), Ok(query.question));
            }
        }
    }
}
