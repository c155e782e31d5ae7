//! Names of repositories and tags, by the specification's grammar. A valid name is safe as a path
//! inside the store's folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Bytes a repository's name may have; other registries and clients stop here too.
const NAME_LIMIT: usize = 255;
/// Bytes a tag may have, by the specification.
const TAG_LIMIT: usize = 128;
/// Characters of a bad name shown to the person.
const MAX_SHOWN_CHARS: usize = 80;

/// A repository's name without a host: parts of small letters and digits between slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryName(String);

/// A tag's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// The name of a manifest in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A name that may move.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

/// A text that cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No repository's name.
    #[error(
        "`{0}` cannot be a repository's name: parts of small letters and digits, joined by `.`, `_`, `__` or `-`, between slashes, 255 characters at most"
    )]
    Repository(String),
    /// No tag.
    #[error(
        "`{0}` cannot be a tag: letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, 128 characters at most"
    )]
    Tag(String),
}

impl RepositoryName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name for a file, different from every other tag's even where capitals do not count.
    pub(crate) fn file_name(&self) -> String {
        let mut mask = 0_u128;
        for (at, byte) in self.0.bytes().enumerate() {
            mask |= u128::from(byte.is_ascii_uppercase()) << at;
        }
        let small = self.0.to_ascii_lowercase();
        match mask {
            0 => small,
            _ => format!("{small}+{mask:x}"),
        }
    }

    /// The tag [`Tag::file_name`] was made of.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let (small, mask) = match name.split_once('+') {
            Some((small, mask)) => (small, u128::from_str_radix(mask, 16).ok()?),
            None => (name, 0),
        };
        let restore = |(at, c): (usize, char)| match mask >> at & 1 {
            0 => c,
            _ => c.to_ascii_uppercase(),
        };
        if small.len() > TAG_LIMIT {
            return None;
        }
        small
            .chars()
            .enumerate()
            .map(restore)
            .collect::<String>()
            .parse()
            .ok()
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() <= NAME_LIMIT && text.split('/').all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::Repository(shown(text)))
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let rest = |byte: u8| first(byte) || byte == b'.' || byte == b'-';
        if text.len() <= TAG_LIMIT
            && text.bytes().next().is_some_and(first)
            && text.bytes().all(rest)
        {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::Tag(shown(text)))
    }
}

impl FromStr for Reference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse() {
            Ok(digest) => Ok(Self::Digest(digest)),
            Err(_) => text.parse().map(Self::Tag),
        }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let joint = |joint: &str| {
        matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|byte| byte == b'-')
    };
    part.starts_with(plain) && part.ends_with(plain) && part.split(plain).all(joint)
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).collect()
}

macro_rules! as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

as_text!(RepositoryName);
as_text!(Tag);

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repository_names_of_the_grammar_are_accepted() {
        let deep = vec!["a"; 128].join("/");
        let wide = "a".repeat(255);
        for good in [
            "a",
            "0",
            "a/b",
            "a.b/c_d/e__f/g---h",
            "manifests/blobs/uploads",
            &deep,
            &wide,
        ] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good}");
        }
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        let long = "a".repeat(256);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "a/../b",
            "_blobs",
            "a/_tags",
            "A",
            "a..b",
            "a___b",
            "a-_b",
            "-a",
            "a-",
            "a\0b",
            "a b",
            "a%2fb",
            "a\\b",
            "ä",
            "host:5000/a",
            &long,
        ] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reference_is_a_digest_or_a_tag() {
        let digest = Digest::sha256(b"x");
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
        assert!(matches!("v1.0".parse(), Ok(Reference::Tag(_))));
        for bad in [
            "",
            "..",
            ".a",
            "-a",
            "a/b",
            "a:b",
            "a b",
            "sha256:x",
            &"a".repeat(129),
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn tags_keep_their_case_in_lower_case_file_names(tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            let tag: Tag = tag.parse().unwrap();
            let name = tag.file_name();
            prop_assert_eq!(&name, &name.to_lowercase());
            prop_assert!(name.len() < 255);
            prop_assert_eq!(Tag::from_file_name(&name), Some(tag));
        }

        #[test]
        fn an_accepted_repository_name_stays_inside_its_folder(name in "[a-z0-9._/%A-Z\\\\-]{0,40}") {
            if let Ok(name) = name.parse::<RepositoryName>() {
                let path = std::path::Path::new(name.as_str());
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert!(name.as_str().split('/').all(|part| !part.starts_with(['_', '.'])));
            }
        }
    }
}
