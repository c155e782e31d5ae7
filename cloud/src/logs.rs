//! Nodes' logs, read back from CloudWatch.

use std::collections::BTreeMap;

use crate::aws::Aws;
use crate::error::{CloudError, CloudErrorKind};

/// Milliseconds by which a record may come later than others written after it. Nodes send theirs
/// in batches, each at its own time.
const LATE: i64 = 30_000;

/// One line a node wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLogLine {
    /// The id in CloudWatch.
    pub id: String,
    /// When it was written, in milliseconds since 1970.
    pub at: i64,
    /// The line.
    pub text: String,
}

/// A part of what there is.
pub(crate) struct LogPage {
    pub events: Vec<NodeLogLine>,
    /// Names the next part; none after the last.
    pub next: Option<String>,
}

/// The lines to read. The reader must check what CloudWatch cannot filter by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Not before this, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Of this function.
    pub function: Option<String>,
    /// Of this request.
    pub request: Option<String>,
}

/// Reads on and on.
pub struct Reader<'a> {
    aws: &'a Aws,
    filter: Option<String>,
    since: Option<i64>,
    /// Names the next part of a look that has not come to its end.
    token: Option<String>,
    /// The lines that were returned and may be found again, with their times.
    seen: BTreeMap<String, i64>,
    newest: i64,
}

impl LogQuery {
    /// The same in CloudWatch's own language, as far as it goes.
    #[must_use]
    pub fn filter(&self) -> Option<String> {
        // Only what cannot mean anything else in there.
        let plain = |text: &&String| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            text.chars().all(is_plain)
        };
        let terms = [("function", &self.function), ("request", &self.request)];
        let terms = terms.into_iter().filter_map(|(field, value)| {
            let value = value.as_ref().filter(plain)?;
            Some(format!("($.{field} = \"{value}\")"))
        });
        let terms: Vec<String> = terms.collect();
        (!terms.is_empty()).then(|| format!("{{ {} }}", terms.join(" && ")))
    }
}

impl<'a> Reader<'a> {
    /// Begins where it is wanted.
    #[must_use]
    pub fn new(aws: &'a Aws, wanted: &LogQuery) -> Self {
        Self {
            aws,
            filter: wanted.filter(),
            since: wanted.since,
            token: None,
            seen: BTreeMap::new(),
            newest: i64::MIN,
        }
    }

    /// Returns the next lines, in the order of their times; the list may be empty. `None` when
    /// there is no more for now: a later call looks for new lines, and for late ones.
    ///
    /// # Errors
    /// There is no log group, or AWS does not say what is in it.
    pub async fn next(&mut self) -> Result<Option<Vec<NodeLogLine>>, CloudError> {
        if self.token.is_none() && self.newest > i64::MIN {
            let from = self.newest.saturating_sub(LATE);
            self.since = Some(self.since.map_or(from, |since| since.max(from)));
        }
        let token = self.token.take();
        let part = self.aws.events(self.since, self.filter.as_deref(), token);
        let Some(part) = part.await? else {
            return Err(nothing(self.aws));
        };
        self.token = part.next;
        let fresh: Vec<NodeLogLine> = part
            .events
            .into_iter()
            .filter(|event| self.seen.insert(event.id.clone(), event.at).is_none())
            .collect();
        let newest = fresh.iter().map(|event| event.at).max();
        self.newest = self.newest.max(newest.unwrap_or(i64::MIN));
        let oldest = self.newest.saturating_sub(LATE);
        self.seen.retain(|_, at| *at >= oldest);
        let is_over = self.token.is_none() && fresh.is_empty();
        Ok((!is_over).then_some(fresh))
    }
}

fn nothing(aws: &Aws) -> CloudError {
    let (env, group) = (aws.names().env(), aws.names().log_group());
    CloudError::new(
        CloudErrorKind::Failed,
        format!("there is no log of `{env}`: AWS has no log group {group}"),
    )
    .hint(format!(
        "`fnlocal promote --env {env}` makes it, unless [env.{env}] has `logs = \"off\"`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloudwatch_filter_omits_values_that_are_unsafe_in_its_syntax() {
        let wanted = |function: Option<&str>, request: Option<&str>| LogQuery {
            since: None,
            function: function.map(str::to_owned),
            request: request.map(str::to_owned),
        };
        let filter = wanted(Some("bid"), Some("0-f")).filter().unwrap();
        assert_eq!(filter, r#"{ ($.function = "bid") && ($.request = "0-f") }"#);
        let filter = wanted(Some("bid"), Some("\" || ")).filter().unwrap();
        assert_eq!(filter, r#"{ ($.function = "bid") }"#);
        assert_eq!(wanted(None, None).filter(), None);
    }
}
