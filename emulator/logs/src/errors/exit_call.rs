//! Code that ended its own process.

use fnlocal_api::EXIT_PREFIXES;

/// The wrapper's line when code ends its process.
pub(super) struct ExitCall {
    pub message: String,
    /// `None` for code that ran for none.
    pub request: Option<String>,
    pub place: (Option<String>, Option<u32>, Option<u32>),
}

impl ExitCall {
    pub fn parse(line: &str) -> Option<Self> {
        let [of_request, of_other] = EXIT_PREFIXES;
        let (request, rest) = match line.strip_prefix(of_other) {
            Some(rest) => (None, rest),
            None => {
                let rest = line.strip_prefix(of_request)?;
                let (_, rest) = rest.split_once(" (request ")?;
                let (request, rest) = rest.split_once(") called ")?;
                (Some(request.to_owned()), rest)
            }
        };
        let (call, place) = rest.split_once(" at ").unwrap_or((rest, ""));
        let mut parts = place.rsplitn(3, ':');
        let column = parts.next().and_then(|part| part.parse().ok());
        let line = parts.next().and_then(|part| part.parse().ok());
        let file = parts.next().map(str::to_owned);
        Some(Self {
            message: format!("the function called {call}"),
            request,
            place: (file, line, column),
        })
    }
}
