//! Placeholders for variables while code is described: the future names, and no values.
//!
//! Code often reads its variables while it is imported, and ends if one is missing or malformed. So
//! each has a value of the same kind as the real one. Nothing but the kind is kept.

use std::collections::BTreeMap;

/// A value for each variable: the same for every value of a kind.
pub fn placeholders(variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    variables
        .iter()
        .map(|(name, value)| (name.clone(), placeholder(value).to_owned()))
        .collect()
}

fn placeholder(value: &str) -> &'static str {
    let value = value.trim();
    if value.is_empty() {
        ""
    } else if value.parse::<f64>().is_ok_and(f64::is_finite) {
        "1"
    } else if matches!(value.to_ascii_lowercase().as_str(), "true" | "false") {
        "false"
    } else if value.starts_with('{') && is_json(value) {
        "{}"
    } else if value.starts_with('[') && is_json(value) {
        "[]"
    } else if value.contains("://") {
        "http://placeholder.invalid/"
    } else {
        "placeholder"
    }
}

fn is_json(value: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_has_the_name_and_kind_of_its_variable_but_not_the_value() {
        for (value, expected) in [
            ("", ""),
            ("5432", "1"),
            ("-0.5", "1"),
            ("True", "false"),
            (r#"{"key": "secret"}"#, "{}"),
            ("[1, 2]", "[]"),
            ("{half", "placeholder"),
            (
                "postgres://user:secret@db/shop",
                "http://placeholder.invalid/",
            ),
            ("s3cr3t", "placeholder"),
        ] {
            let real = BTreeMap::from([("NAME".to_owned(), value.to_owned())]);
            let found = placeholders(&real);
            assert_eq!(
                found.get("NAME").map(String::as_str),
                Some(expected),
                "{value}"
            );
        }
    }
}
