//! `KEY=VALUE` arguments.

/// A variable from `KEY=VALUE`, or from `KEY`, which takes the value from our own environment, as Docker does.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, value.to_owned()),
        None => (text, std::env::var(text).map_err(|_| format!("{text} is not set here; give KEY=VALUE"))?),
    };
    if key.is_empty() { Err("give KEY=VALUE".to_owned()) } else { Ok((key.to_owned(), value)) }
}

/// A label from `KEY=VALUE`.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(variable("A="), Ok(("A".into(), String::new())));
        assert_eq!(variable("PATH"), Ok(("PATH".into(), std::env::var("PATH").unwrap())));
        assert!(variable("=b").is_err());
        assert!(variable("ATOLL_SURELY_NOT_SET").is_err());
    }

    #[test]
    fn labels_are_read() {
        assert_eq!(label("a=b"), Ok(("a".into(), "b".into())));
        assert!(label("a").is_err());
        assert!(label("=b").is_err());
    }
}
