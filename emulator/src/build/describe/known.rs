//! Node's answers that stay true although code has changed.
//!
//! An answer is known when nothing differs but bodies of functions that did not run when Node gave
//! it. See `fnlocal-skeleton` for why that is enough.

use serde::{Deserialize, Serialize};

use super::Question;
use super::host::{Answer, find_node};
use super::outline::Outline;
use crate::image::{short_hash, wrapper};
use crate::project::DescribedModule;

/// What records of these answers are called.
const KIND: &str = "outline";
/// Changes when outlines are made in another way.
const VERSION: &[u8] = b"1";

#[derive(Deserialize, Serialize)]
struct Known {
    /// The bodies that ran.
    ran: Vec<usize>,
    /// Their hash.
    bodies: String,
    modules: Vec<DescribedModule>,
}

/// What is known of some code, if that is enough for an answer.
pub(in crate::build) fn recall(
    question: &Question<'_>,
    outline: &Outline,
) -> Option<Vec<DescribedModule>> {
    let known: Known = question.records.get(KIND, &key(question, outline)?)?;
    let same = outline.bodies(&known.ran)? == known.bodies;
    same.then_some(known.modules)
}

/// Keeps an answer, unless what was loaded would have gone on by itself.
pub(in crate::build) fn remember(question: &Question<'_>, outline: &Outline, answer: &Answer) {
    let remember = || {
        let watched = answer.watched.as_ref().filter(|watched| watched.settled)?;
        let known = Known {
            bodies: outline.bodies(&watched.ran)?,
            ran: watched.ran.clone(),
            modules: answer.modules.clone(),
        };
        let key = key(question, outline)?;
        question.records.put(KIND, &key, &known);
        Some(())
    };
    let _asked_again_if_not = remember();
}

/// For this node and this wrapper only.
fn key(question: &Question<'_>, outline: &Outline) -> Option<String> {
    let node = find_node()?.canonicalize().ok()?;
    let metadata = node.metadata().ok()?;
    let version = format!(
        "{node:?} {} {:?}",
        metadata.len(),
        metadata.modified().ok()?
    );
    let about = question.about();
    let parts: [&[u8]; 4] = [
        about.as_bytes(),
        version.as_bytes(),
        wrapper::DESCRIBE,
        VERSION,
    ];
    Some(format!("{}-{}", short_hash(&parts), outline.kept()))
}
