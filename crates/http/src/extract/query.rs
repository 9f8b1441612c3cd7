//! Queries.

use atoll_ports::PAGE_ITEMS_MAX;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::Problems;
use super::problem::from_serde;
use super::query_values::values_of;
use crate::answer::ApiFailure;
use crate::bounds::{CURSOR_BYTES_MAX, PAGE_ITEMS_DEFAULT, QUERY_BYTES_MAX};

/// The query of a request. A key given twice is a list, or an error where one value is wanted.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiFailure> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ApiFailure> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(ApiFailure::field("query", format!("must have at most {QUERY_BYTES_MAX} bytes")));
    }
    serde_path_to_error::deserialize(values_of(query))
        .map_err(|error| from_serde("query", &error.path().to_string(), &error.inner().to_string()))
}

/// Query of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `nextCursor` of the page before.
    pub(crate) cursor: Option<String>,
    /// Items of a page, 1 to 1000.
    #[param(default = 50, minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<u32>,
}

impl PageQuery {
    /// The cursor and the checked limit.
    pub(crate) fn bounds(self) -> Result<(Option<String>, u32), ApiFailure> {
        let mut problems = Problems::default();
        let bounds = page_bounds(&mut problems, self.cursor, self.limit);
        problems.finish(Some(bounds))
    }
}

/// Checks what every list takes.
pub(crate) fn page_bounds(
    problems: &mut Problems,
    cursor: Option<String>,
    limit: Option<u32>,
) -> (Option<String>, u32) {
    if cursor.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_BYTES_MAX) {
        problems.add("query.cursor", "must be a nextCursor that this list gave out");
    }
    let limit = problems.within("query.limit", limit, &(1..=PAGE_ITEMS_MAX));
    (cursor, limit.unwrap_or(PAGE_ITEMS_DEFAULT))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use rstest::rstest;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        limit: Option<u32>,
        #[serde(default)]
        label: Vec<String>,
        name: String,
    }

    #[test]
    fn values_are_decoded_and_repeated_ones_are_a_list() {
        let sample: Sample = parse("label=a%3Db&name=x+y&label=c&limit=7").unwrap();
        assert_eq!(
            (sample.label, sample.name.as_str(), sample.limit),
            (vec!["a=b".into(), "c".into()], "x y", Some(7))
        );
    }

    #[rstest]
    #[case("", "query.name: is required")]
    #[case("name=a&limit=x", "query.limit: invalid value: string \"x\"")]
    #[case("name=a&limit=-1", "query.limit: invalid value: string \"-1\"")]
    #[case("name=a&limit=99999999999", "query.limit: invalid value")]
    #[case("name=a&name=b", "query.name: must be given once")]
    #[case("name=a&nmae=b", "query.nmae: is not known here; known: limit, label, name")]
    #[case("name=a&%00%1b=b", "query.\\u{0}\\u{1b}: is not known here")]
    fn the_field_is_named(#[case] query: &str, #[case] expected: &str) {
        let failure = parse::<Sample>(query).unwrap_err();
        let message = failure.body(&crate::answer::Trace::of(&HeaderMap::new()).id).error.message;
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn a_long_query_is_refused() {
        assert!(parse::<Sample>(&"a".repeat(QUERY_BYTES_MAX + 1)).is_err());
    }
}
