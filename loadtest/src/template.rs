//! Text with placeholders, filled anew for each request.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, utf8_percent_encode};

/// Placeholders that are known.
const KNOWN: [&str; 5] = ["seq", "user", "uuid", "now", "random"];

/// Text with placeholders: `{{seq}}` counts requests, `{{user}}` is the user's number (with arrival
/// rates, where there are none, the request's), `{{uuid}}` a random UUID, `{{now}}` the time in
/// milliseconds since 1970, `{{random 1 100}}` a whole number of that range. `\{{` is `{{` itself,
/// and `\\{{seq}}` a backslash before a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<TemplatePart>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Seq,
    User,
    Uuid,
    Now,
    Random(u64, u64),
}

/// The values of a request's placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Values {
    /// Its number, from 1.
    pub seq: u64,
    /// Its user's number, from 1.
    pub user: u64,
}

/// A placeholder that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{{{{{word}}}}}` is not a placeholder")]
pub struct TemplateError {
    /// The text between the braces.
    pub word: String,
    /// One action that helps.
    pub hint: String,
}

impl Template {
    /// Finds the placeholders of a text.
    ///
    /// # Errors
    /// [`TemplateError`] for a placeholder nobody knows.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut written) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let slashes = before.len() - before.trim_end_matches('\\').len();
            if slashes == 1 {
                written.push_str(&before[..before.len() - 1]);
                written.push_str("{{");
                rest = after;
                continue;
            }
            let Some((word, after)) = after.split_once("}}") else {
                break;
            };
            // Two stand for one that escapes nothing.
            written.push_str(&before[..before.len() - slashes.min(1)]);
            if !written.is_empty() {
                parts.push(TemplatePart::Text(std::mem::take(&mut written)));
            }
            parts.push(part(word.trim())?);
            rest = after;
        }
        written.push_str(rest);
        if !written.is_empty() {
            parts.push(TemplatePart::Text(written));
        }
        Ok(Self(parts))
    }

    /// The same as a path of a URL: characters that are no ASCII are percent-encoded as UTF-8, as browsers
    /// do. Characters that are encoded already stay.
    #[must_use]
    pub fn into_path(mut self) -> Self {
        for part in &mut self.0 {
            if let TemplatePart::Text(text) = part {
                *text = encoded(text);
            }
        }
        self
    }

    /// The text, if every request gets the same.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [TemplatePart::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text of one request.
    #[must_use]
    pub fn fill(&self, values: Values) -> String {
        let mut text = String::new();
        for part in &self.0 {
            let _infallible = match part {
                TemplatePart::Text(part) => {
                    text.push_str(part);
                    Ok(())
                }
                TemplatePart::Seq => write!(text, "{}", values.seq),
                TemplatePart::User => write!(text, "{}", values.user),
                TemplatePart::Uuid => write!(text, "{}", uuid()),
                TemplatePart::Now => write!(text, "{}", jiff::Timestamp::now().as_millisecond()),
                TemplatePart::Random(from, to) => {
                    write!(text, "{}", rand::random_range(*from..=*to))
                }
            };
        }
        text
    }
}

/// A part of a URL with all that is no ASCII percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &AsciiSet::EMPTY).to_string()
}

fn part(word: &str) -> Result<TemplatePart, TemplateError> {
    let fail = |hint: String| TemplateError {
        word: word.to_owned(),
        hint,
    };
    let mut words = word.split_whitespace();
    let name = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    Ok(match (name, rest.as_slice()) {
        ("seq", []) => TemplatePart::Seq,
        ("user", []) => TemplatePart::User,
        ("uuid", []) => TemplatePart::Uuid,
        ("now", []) => TemplatePart::Now,
        ("random", [from, to]) => match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) if from <= to => TemplatePart::Random(from, to),
            _ => {
                return Err(fail(
                    "write {{random 1 100}}, the lower number first".into(),
                ));
            }
        },
        ("random", _) => return Err(fail("write {{random 1 100}}".into())),
        _ => {
            let hint = match crate::words::nearest(name, &KNOWN) {
                Some(near) => format!("did you mean `{{{{{near}}}}}`?"),
                None => format!("known here: {}", KNOWN.join(", ")),
            };
            return Err(fail(hint));
        }
    })
}

/// A random UUID: version 4, RFC 9562.
fn uuid() -> String {
    let bits = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values = Values { seq: 7, user: 3 };

    #[test]
    fn placeholders_are_filled_for_each_request() {
        let template = Template::parse("{\"by\":\"u{{ user }}\",\"n\":{{seq}}}").unwrap();
        assert_eq!(template.fixed(), None);
        assert_eq!(template.fill(VALUES), "{\"by\":\"u3\",\"n\":7}");
        let random = Template::parse("{{random 5 6}}").unwrap();
        assert!(["5", "6"].contains(&random.fill(VALUES).as_str()));
    }

    #[test]
    fn the_uuid_placeholder_is_a_version_4_uuid() {
        let uuid = Template::parse("{{uuid}}").unwrap().fill(VALUES);
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4", "{uuid}");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }

    #[test]
    fn non_ascii_characters_of_a_path_are_percent_encoded() {
        let path = Template::parse("/grüße/{{seq}}/%C3%A4?q=日本&r=a+b").unwrap();
        let encoded = "/gr%C3%BC%C3%9Fe/7/%C3%A4?q=%E6%97%A5%E6%9C%AC&r=a+b";
        assert_eq!(path.into_path().fill(VALUES), encoded);
        let fixed = Template::parse("/ä").unwrap().into_path();
        assert_eq!(fixed.fixed(), Some("/%C3%A4"));
    }

    #[test]
    fn text_without_placeholders_is_unchanged() {
        let template = Template::parse("{\"a\": {\"b\": 1}}").unwrap();
        assert_eq!(template.fixed(), Some("{\"a\": {\"b\": 1}}"));
    }

    #[test]
    fn braces_after_a_backslash_are_not_a_placeholder() {
        for (text, wanted) in [
            (r"\{{seq}}", "{{seq}}"),
            (r"\{{name}} {{seq}}", "{{name}} 7"),
            (r"a\\{{seq}}", r"a\7"),
            (r"a\b{{seq}}", r"a\b7"),
            (r"\{{ \{{ {{user}}", "{{ {{ 3"),
            (r"{{seq}}\{{", "7{{"),
            (r"\{{{{seq}}}}", "{{7}}"),
        ] {
            assert_eq!(
                Template::parse(text).unwrap().fill(VALUES),
                wanted,
                "{text}"
            );
        }
        assert_eq!(Template::parse(r"\{{a}}").unwrap().fixed(), Some("{{a}}"));
    }

    #[test]
    fn an_unknown_placeholder_is_refused_with_the_nearest() {
        let error = Template::parse("{{sqe}}").unwrap_err();
        assert_eq!(error.to_string(), "`{{sqe}}` is not a placeholder");
        assert_eq!(error.hint, "did you mean `{{seq}}`?");
    }
}
