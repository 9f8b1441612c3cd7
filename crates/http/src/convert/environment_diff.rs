//! What two versions of an environment differ in.

use std::collections::BTreeSet;

use atoll_api_types::{Definition, EnvironmentChange};
use serde_json::Value;

/// Fields whose entries are compared one by one.
const MAPS: [&str; 2] = ["env", "labels"];

/// The fields that differ, by the names that requests have for them.
pub(crate) fn differences(from: &Definition, to: &Definition) -> serde_json::Result<Vec<EnvironmentChange>> {
    let (from, to) = (serde_json::to_value(from)?, serde_json::to_value(to)?);
    let mut found = Vec::new();
    for field in keys(&from, &to) {
        let (old, new) = (&from[&field], &to[&field]);
        if MAPS.contains(&field.as_str()) {
            let entries = keys(old, new).into_iter();
            found.extend(entries.filter_map(|key| one(format!("{field}.{key}"), &old[&key], &new[&key])));
        } else {
            found.extend(one(field.clone(), old, new));
        }
    }
    Ok(found)
}

fn keys(a: &Value, b: &Value) -> BTreeSet<String> {
    [a, b].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys().cloned()).collect()
}

fn one(field: String, from: &Value, to: &Value) -> Option<EnvironmentChange> {
    (from != to).then(|| EnvironmentChange { field, from: from.clone(), to: to.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let definition = |json| serde_json::from_value::<Definition>(json).unwrap();
        let from = definition(json!({"image": "host", "pids": 9, "env": {"A": "1", "B": "1", "C": "1"}}));
        let to = definition(json!({"image": "host", "openFiles": 2048, "env": {"A": "1", "B": "2"}}));
        assert_eq!(differences(&from, &from).unwrap(), []);
        let found: Vec<_> = differences(&from, &to)
            .unwrap()
            .into_iter()
            .map(|EnvironmentChange { field, from, to }| (field, from, to))
            .collect();
        let expected = [
            ("env.B", json!("1"), json!("2")),
            ("env.C", json!("1"), Value::Null),
            ("openFiles", Value::Null, json!(2048)),
            ("pids", json!(9), Value::Null),
        ];
        assert_eq!(found, expected.map(|(field, from, to)| (field.to_owned(), from, to)));
    }
}
