//! Who answers for some code: what is known, else this machine's node.

use std::sync::Arc;

use fnlocal_registry::Digest;
use tokio::task::spawn_blocking;

use super::Question;
use super::host::{self, Answer, Asked};
use super::known;
use super::outline::Outline;
use crate::build::code::Code;
use crate::build::error::{BuildError, bug};
use crate::build::report::Described;
use crate::image::oci::layer;
use crate::project::DescribedModule;

/// What records of answers for code as it is are called.
const KIND: &str = "functions";

/// An answer, or a node that is about to give one.
pub(in crate::build) enum Asking {
    Known {
        modules: Vec<DescribedModule>,
        /// Whether it was known of this very code.
        exactly: bool,
    },
    Asked {
        node: Option<Asked>,
        outline: Option<Arc<Outline>>,
    },
}

/// What was said without a container.
pub(in crate::build) struct Said {
    /// Nothing when a container has to be asked.
    pub modules: Option<Vec<DescribedModule>>,
    pub how: Described,
    new: bool,
    node: Option<(Answer, Arc<Outline>)>,
}

impl Asking {
    /// Looks for an answer, and else has node load the code.
    pub async fn begin(
        question: &Question<'_>,
        key: &str,
        code: &Code,
    ) -> Result<Self, BuildError> {
        if let Some(modules) = question.records.get(KIND, key) {
            let exactly = true;
            return Ok(Self::Known { modules, exactly });
        }
        let read = code.clone();
        let outline = spawn_blocking(move || Outline::read(read));
        let outline = outline.await.map_err(bug)?.map(Arc::new);
        if let Some(outline) = &outline
            && let Some(modules) = known::recall(question, outline)
        {
            let exactly = false;
            return Ok(Self::Known { modules, exactly });
        }
        let node = host::ask(question, code, outline.clone()).await;
        Ok(Self::Asked { node, outline })
    }

    /// Waits for the answer.
    pub async fn answer(
        self,
        question: &Question<'_>,
        code: &Code,
        source: &Digest,
    ) -> Result<Said, BuildError> {
        let (node, outline) = match self {
            Self::Known { modules, exactly } => {
                return Ok(Said {
                    modules: Some(modules),
                    how: Described::Known,
                    new: !exactly,
                    node: None,
                });
            }
            Self::Asked { node, outline } => (node, outline),
        };
        let mut answer = match node {
            Some(node) => node.answer().await,
            None => None,
        };
        let marks = answer.as_ref().and_then(|answer| answer.watched.as_ref());
        if marks.is_some_and(|watched| watched.read) {
            answer = plainly(question, code, source).await?;
        }
        let modules = answer.as_ref().map(|answer| answer.modules.clone());
        Ok(Said {
            how: modules
                .as_ref()
                .map_or(Described::Image, |_| Described::Node),
            modules,
            new: true,
            node: answer.zip(outline),
        })
    }
}

impl Said {
    /// Keeps what was said of code that has become an image.
    pub fn keep(&self, question: &Question<'_>, key: &str, modules: &Vec<DescribedModule>) {
        if self.new {
            question.records.put(KIND, key, modules);
        }
        if let Some((answer, outline)) = &self.node {
            known::remember(question, outline, answer);
        }
    }
}

/// Asks anew about code that reads its own text: it has to be as it will be.
async fn plainly(
    question: &Question<'_>,
    code: &Code,
    source: &Digest,
) -> Result<Option<Answer>, BuildError> {
    let Some(node) = host::ask(question, code, None).await else {
        return Ok(None);
    };
    let root = code.root(crate::build::code::FOLDER);
    let measured = spawn_blocking(move || layer::measure(|out| root.write(out)));
    if measured.await.map_err(bug)??.0 != *source {
        return Err(BuildError::Restless);
    }
    Ok(node.answer().await)
}
