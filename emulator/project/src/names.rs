//! The rules for names.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// The rule for a function's name.
pub(super) const RULE: &str = "a function's name is a letter or underscore, then at most 63 letters, digits, underscores or hyphens, and does not begin with _fnlocal";
/// The rule for a project's name.
pub(super) const PROJECT_RULE: &str = "a project's name is a letter or digit, then at most 62 letters, digits, underscores or hyphens";

/// The longest name of a function, in bytes.
pub const MAX_FUNCTION_NAME: usize = 64;

pub(super) fn is_function(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && name.len() <= MAX_FUNCTION_NAME
        && !name.starts_with("_fnlocal")
}

/// The maximum length of a variable's name, in bytes.
const MAX_VARIABLE_BYTES: usize = 256;

pub(super) fn is_project(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && name.len() <= 63
}

pub(super) fn is_variable(name: &str) -> bool {
    let mut letters = name.chars();
    name.len() <= MAX_VARIABLE_BYTES
        && letters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The maximum length of a slug, in bytes.
const MAX_SLUG: usize = 60;

/// A name fit for folders, labels and image repositories: lower case, `-` for all else. A long one
/// is cut and ends in a hash of all of it.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.trim_start_matches('@').chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    match slug.trim_end_matches('-') {
        "" => "package".to_owned(),
        slug if slug.len() > MAX_SLUG => with_hash(slug, name),
        slug => slug.to_owned(),
    }
}

/// A slug that ends in a hash of `whole`.
fn with_hash(slug: &str, whole: &str) -> String {
    let hash = hex::encode(&Sha256::digest(whole)[..4]);
    let room = slug.len().min(MAX_SLUG - 1 - hash.len());
    format!("{}-{hash}", slug[..room].trim_end_matches('-'))
}

/// Makes slugs differ. Each has its package's folder below the project's, which is empty for the
/// project's own: that one keeps its slug. Slugs that several packages have become those of the
/// folders; those that are then still alike end in a hash of the folder's path.
pub(super) fn distinct(slugs: &mut [(String, String)]) {
    let shared = shared_names(slugs);
    for (name, folder) in slugs.iter_mut() {
        if shared.contains(name) && !folder.is_empty() {
            *name = slug(folder);
        }
    }
    let shared = shared_names(slugs);
    for (name, folder) in slugs.iter_mut() {
        if shared.contains(name) && !folder.is_empty() {
            *name = with_hash(name, folder);
        }
    }
    let mut taken = BTreeSet::new();
    let own = |(_, folder): &&mut (String, String)| folder.is_empty();
    taken.extend(slugs.iter_mut().filter(own).map(|(name, _)| name.clone()));
    for (name, folder) in slugs.iter_mut().filter(|(_, folder)| !folder.is_empty()) {
        // A package may bear the very name that another was given.
        let mut whole = folder.clone();
        while !taken.insert(name.clone()) {
            whole.push('/');
            *name = with_hash(name, &whole);
        }
    }
}

fn shared_names(slugs: &[(String, String)]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let again = slugs.iter().filter(|(name, _)| !seen.insert(name));
    again.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_slug(name: &str) -> bool {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=MAX_SLUG).contains(&name.len())
            && name.chars().all(allowed)
            && !name.starts_with('-')
            && !name.ends_with('-')
            && !name.contains("--")
    }

    #[test]
    fn long_names_with_a_common_prefix_get_different_slugs() {
        let [one, other] = ["a", "b"].map(|end| slug(&format!("{}-{end}", "x".repeat(59))));
        assert!(is_slug(&one) && is_slug(&other), "{one} {other}");
        assert_ne!(one, other);
    }

    #[test]
    fn unique_package_names_are_unchanged_and_duplicates_use_their_folders() {
        let named = |name: &str, folder: &str| (slug(name), folder.to_owned());
        let mut slugs = [
            named("shop", ""),
            named("@acme/shop", "front"),
            named("shop", "services/shop"),
            named("mail", "services/mail"),
            named("x", "a-b"),
            named("x", "a/b"),
        ];
        distinct(&mut slugs);
        let names = slugs.map(|(name, _)| name);
        assert_eq!(names[..4], ["shop", "acme-shop", "services-shop", "mail"]);
        assert!(names[4].starts_with("a-b-") && names[5].starts_with("a-b-"));
        assert_ne!(names[4], names[5]);
    }

    proptest! {
        #[test]
        fn every_name_becomes_a_slug(name in any::<String>(), letters in "[-a-zA-Z@/_.é ]{0,130}") {
            prop_assert!(is_slug(&slug(&name)));
            prop_assert!(is_slug(&slug(&letters)));
        }

        #[test]
        fn packages_of_a_project_get_distinct_names(
            names in proptest::collection::vec("[-aA@/π]{0,3}|[ab]{58}[-a]{0,4}", 1..9),
            folders in proptest::collection::btree_set("[-aA/π]{0,4}", 9),
        ) {
            let named = names.iter().zip(folders).map(|(name, folder)| (slug(name), folder));
            let mut slugs: Vec<_> = named.collect();
            distinct(&mut slugs);
            // A package that is given the name which another has from the start.
            let borrowed = (slugs[0].0.clone(), "borrowed".to_owned());
            slugs.push(borrowed);
            distinct(&mut slugs);
            let different: BTreeSet<_> = slugs.iter().map(|(name, _)| name).collect();
            prop_assert_eq!(different.len(), slugs.len());
            prop_assert!(slugs.iter().all(|(name, _)| is_slug(name)), "{:?}", slugs);
        }
    }
}
