//! Names of containers that people recognise: `fnlocal-PROJECT-FUNCTION-i3`. Nothing is found by
//! them; that is what labels are for.

use bollard::Docker;
use bollard::query_parameters::{CreateContainerOptions, RenameContainerOptions};
use tracing::debug;

use crate::identity::random_hex;
use crate::labels::Owner;

/// The maximum number of characters of a name that are taken of a project or a function.
const MAX_PART: usize = 64;

/// A new container's name: what it is for, and digits that no other has.
#[must_use]
pub fn new(owner: &Owner, what: &str) -> Option<CreateContainerOptions> {
    let name = format!("{}-{}", name(project(owner), what), random_hex(4));
    Some(CreateContainerOptions {
        name: Some(name),
        ..CreateContainerOptions::default()
    })
}

/// Names a container after the function that it serves. Where another run has that name already, its
/// own run and node are added. A container that cannot be named anew keeps its name.
pub async fn rename(docker: &Docker, owner: &Owner, container: &str, what: &str) {
    let plain = name(project(owner), what);
    let own = format!("{plain}-{}-{}", part(&owner.run), part(&owner.node));
    for name in [plain, own] {
        let options = RenameContainerOptions { name };
        match docker.rename_container(container, options).await {
            Ok(()) => return,
            Err(error) => debug!(container, %error, "not renamed"),
        }
    }
}

/// The project's name, without what its label adds to tell folders apart.
fn project(owner: &Owner) -> &str {
    let label = owner.project.as_str();
    label.rsplit_once('-').map_or(label, |(name, _)| name)
}

fn name(project: &str, what: &str) -> String {
    format!("fnlocal-{}-{}", part(project), part(what))
}

/// Replaces characters that engines do not take: all but letters, digits and `_.-`.
fn part(text: &str) -> String {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let letters = text.chars().take(MAX_PART);
    letters.map(|c| if is_fine(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_valid_container_name() {
        assert_eq!(name("shop", "greet-i3"), "fnlocal-shop-greet-i3");
        for text in ["", "Ä ö/ü:x", "@scope/name", "..", &"x".repeat(300)] {
            let name = name(text, text);
            let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            assert!(name.chars().all(is_fine) && name.len() < 200, "{name}");
        }
    }
}
