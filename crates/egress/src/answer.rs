//! What a resolver answers. The operator trusts it; who answers in its name is another matter.

use crate::query::{HEADER_BYTES, Query, split_question};

/// Whether a message is the answer to a query that went out with this number.
pub(crate) fn is_answer(bytes: &[u8], query: &Query, id: u16) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return false };
    let is_answer = header[..2] == id.to_be_bytes() && header[2] & 0xF8 == 0x80 && header[4..6] == [0, 1];
    // Resolvers may write the letters of the name as they like.
    let same = |(question, _): (&[u8], &[u8])| question.eq_ignore_ascii_case(query.question());
    is_answer && split_question(rest).is_some_and(same)
}

/// Makes an answer the asker's: its number, and its room. What does not fit is to be asked for by TCP.
pub(crate) fn fit(mut answer: Vec<u8>, query: &Query, bytes_max: usize) -> Vec<u8> {
    if answer.len() > bytes_max {
        return query.answer_nothing(true, 0);
    }
    answer[..2].copy_from_slice(&query.id().to_be_bytes());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::tests::{EXAMPLE, query};

    /// An answer of a resolver to a query that went out as 7.
    fn reply() -> Vec<u8> {
        let mut bytes = Query::parse(&query(EXAMPLE, 1)).unwrap().ask(7);
        bytes[2] |= 0x80;
        bytes
    }

    #[test]
    fn only_the_answer_to_the_question_is_one() {
        let asked = Query::parse(&query(EXAMPLE, 1)).unwrap();
        assert!(is_answer(&reply(), &asked, 7));
        assert!(!is_answer(&reply(), &asked, 8), "another number");
        assert!(!is_answer(&reply(), &Query::parse(&query(EXAMPLE, 28)).unwrap(), 7), "another question");
        assert!(!is_answer(&asked.ask(7), &asked, 7), "a query");
        let mut upper = reply();
        upper[13] = upper[13].to_ascii_uppercase();
        assert!(is_answer(&upper, &asked, 7));
        for length in 0..reply().len() {
            assert!(!is_answer(&reply()[..length], &asked, 7));
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_to_a_word() {
        let asked = Query::parse(&query(EXAMPLE, 1)).unwrap();
        let long = [reply(), vec![0; 600]].concat();
        let cut = fit(long.clone(), &asked, 512);
        assert!(cut.len() < 40 && cut[2] & 0x02 != 0);
        assert_eq!(cut[..2], asked.id().to_be_bytes());
        assert_eq!(fit(long.clone(), &asked, 1_232).len(), long.len());
    }
}
