//! The least a person or a pipeline must be allowed to do to promote: the file beside this crate.

/// The policy, with placeholders for account, region, project and environment.
pub const POLICY: &str = include_str!("../policy/promote.json");

/// The line of the policy, from 1, on which an action stands.
#[must_use]
pub fn line_of(action: &str) -> Option<usize> {
    let quoted = format!("\"{action}\"");
    let mut lines = POLICY.lines().enumerate();
    lines
        .find(|(_, line)| line.contains(&quoted))
        .map(|(at, _)| at + 1)
}

/// Returns the hint for a denied action.
pub(crate) fn hint(action: &str) -> String {
    match line_of(action) {
        Some(line) => format!("allow {action}: line {line} of cloud/policy/promote.json"),
        None => format!("allow {action}"),
    }
}
