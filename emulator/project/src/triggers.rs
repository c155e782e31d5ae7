//! Checks of what calls functions, beyond what serde checks.

use std::path::{Component, Path};

use fnlocal_api::UserError;
use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_triggers::schedule::Schedule;

use super::config::{FunctionConfig, OnConfig, needed_keys, needs_url, optional_keys};
use super::diagnostics::KeyError;

/// Checks a function's table.
pub(super) fn check(config: &FunctionConfig) -> Result<(), KeyError> {
    if let Some(spec) = &config.schedule {
        let checked = Schedule::new(spec);
        checked.map_err(|error| {
            let what = format!("`schedule`: {error}");
            KeyError::sentence(["schedule", error.key()], what).with_hint(error.hint())
        })?;
    }
    if let Some(delivery) = &config.delivery {
        let mut policy = AsyncPolicy::default();
        delivery.lay(&mut policy);
        policy
            .validate()
            .map_err(|(key, what)| KeyError::about(["async", key], what.to_owned()))?;
    }
    for (index, on) in config.on.iter().flatten().enumerate() {
        check_on(index, on)?;
    }
    Ok(())
}

/// Returns whether a relative path may lead out of the folder it is relative to, links apart.
fn leads_out(path: &str) -> bool {
    let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    !Path::new(path).components().all(is_inside)
}

fn check_on(index: usize, on: &OnConfig) -> Result<(), KeyError> {
    let kind = on.source;
    let word = kind.word();
    let wrong = |key: &str, what: String, hint: Option<&str>| {
        let error = KeyError::sentence(["on", &index.to_string(), key], what);
        Err(error.with_hint(hint.map(str::to_owned)))
    };
    let (needed, optional) = (needed_keys(kind), optional_keys(kind));
    for (key, said) in on.keys() {
        if said && !needed.contains(&key) && !optional.contains(&key) {
            let what = format!("a source of kind `{word}` has no `{key}`");
            return wrong(key, what, None);
        }
        if !said && needed.contains(&key) {
            let what = format!("a source of kind `{word}` needs `{key}`");
            return wrong("source", what, None);
        }
    }
    if on.url.is_some() && on.url_env.is_some() {
        return wrong(
            "url_env",
            "either `url` or `url_env`, not both".to_owned(),
            None,
        );
    }
    if needs_url(kind) && on.url.is_none() && on.url_env.is_none() {
        let hint = "as in url_env = \"DATABASE_URL\", with the URL in .env";
        return wrong(
            "source",
            format!("a source of kind `{word}` needs `url_env`"),
            Some(hint),
        );
    }
    if on.folder.as_deref().is_some_and(leads_out) {
        let what = "`folder` leads out of the project".to_owned();
        return wrong("folder", what, Some("name a folder below fnlocal.toml's"));
    }
    let most = kind.max_batch();
    if on.batch.is_some_and(|batch| batch > most) {
        return wrong(
            "batch",
            format!("`batch` must be between 1 and {most}"),
            None,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_outside_the_project_are_detected() {
        for path in ["/", "/etc", "../uploads", "uploads/../../other"] {
            assert!(leads_out(path), "{path}");
        }
        for path in ["uploads", "./uploads", "a/b", "..uploads"] {
            assert!(!leads_out(path), "{path}");
        }
    }
}
