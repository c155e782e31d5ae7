//! References to other variables in a value of a `.env` file, with `env_expand = true`.
//!
//! `$NAME`, `${NAME}` and `${NAME:-else}` stand for a variable set above or in a file before; `\$`
//! is a dollar sign, as is one that no name follows. The shell is never asked: nothing of it gets
//! into a file's values unsaid.

/// Returns `value` with its references replaced by what `known` says.
///
/// # Errors
/// The name that `known` does not know.
pub fn expand<'a>(value: &str, known: impl Fn(&str) -> Option<&'a str>) -> Result<String, String> {
    let mut expanded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('\\') {
            expanded.push_str(before);
            expanded.push('$');
            rest = &from[1..];
            continue;
        }
        expanded.push_str(before);
        match VariableReference::read(&from[1..]) {
            Some((reference, behind)) => {
                expanded.push_str(&reference.value(&known)?);
                rest = behind;
            }
            None => {
                expanded.push('$');
                rest = &from[1..];
            }
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

struct VariableReference<'a> {
    name: &'a str,
    otherwise: Option<&'a str>,
}

impl<'a> VariableReference<'a> {
    /// Reads what follows a dollar sign. Returns it with the text behind.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let Some(inner) = text.strip_prefix('{') else {
            let (name, behind) = name(text)?;
            return Some((
                Self {
                    name,
                    otherwise: None,
                },
                behind,
            ));
        };
        let (name, inner) = name(inner)?;
        let (inner, behind) = inner.split_once('}')?;
        let otherwise = match inner.strip_prefix(":-") {
            None if inner.is_empty() => None,
            otherwise => Some(otherwise?),
        };
        Some((Self { name, otherwise }, behind))
    }

    /// As in a shell, what stands behind `:-` is for an empty variable, too.
    fn value<'b>(&self, known: impl Fn(&str) -> Option<&'b str>) -> Result<String, String> {
        let found = known(self.name).filter(|text| !text.is_empty() || self.otherwise.is_none());
        let value = found.map(str::to_owned);
        let value = value.or_else(|| self.otherwise.map(str::to_owned));
        value.ok_or_else(|| self.name.to_owned())
    }
}

fn name(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let starts = text.starts_with(|c: char| is_part(c) && !c.is_ascii_digit());
    starts.then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(value: &str) -> Result<String, String> {
        expand(value, |name| match name {
            "HOST" => Some("db"),
            "PORT_2" => Some("5432"),
            "EMPTY" => Some(""),
            "DOLLAR" => Some("$HOST"),
            _ => None,
        })
    }

    #[test]
    fn a_reference_expands_to_a_variable_set_above() {
        for (value, wanted) in [
            ("postgres://$HOST:${PORT_2}/app", "postgres://db:5432/app"),
            ("$HOST$HOST", "dbdb"),
            ("${NONE:-x y}", "x y"),
            ("${EMPTY:-else}", "else"),
            ("${NONE:-}", ""),
            ("$EMPTY.", "."),
            ("$DOLLAR", "$HOST"),
        ] {
            assert_eq!(expanded(value).unwrap(), wanted, "{value}");
        }
    }

    #[test]
    fn a_dollar_sign_without_a_name_or_after_a_backslash_is_literal() {
        for (value, wanted) in [
            ("$2b$10$abc.", "$2b$10$abc."),
            ("\\$HOST", "$HOST"),
            ("100$", "100$"),
            ("$ {HOST}", "$ {HOST}"),
            ("${HOST", "${HOST"),
            ("${}", "${}"),
            ("${HOST-x}", "${HOST-x}"),
            ("$é", "$é"),
            ("C:\\temp", "C:\\temp"),
        ] {
            let value = value.replace("$abc", "$1abc");
            let wanted = wanted.replace("$abc", "$1abc");
            assert_eq!(expanded(&value).unwrap(), wanted, "{value}");
        }
    }

    #[test]
    fn a_reference_to_an_unset_variable_is_an_error() {
        assert_eq!(expanded("a $NONE b"), Err("NONE".to_owned()));
        assert_eq!(expanded("${NONE}"), Err("NONE".to_owned()));
    }
}
