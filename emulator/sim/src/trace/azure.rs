//! Azure's counts per function and minute.

use super::{FunctionNumbers, RequestTrace, SlotCount, TraceError};

/// Columns before the minutes: owner, app, function, trigger.
const NAMES: usize = 4;
/// Enough of a hash to tell functions apart.
const SHORT: usize = 12;
const HINT: &str = "the header is HashOwner,HashApp,HashFunction,Trigger,1,2,… and every line has a \
                    whole number for every minute";

/// Reads a day.
pub(super) fn read(text: &str) -> Result<RequestTrace, TraceError> {
    let mut lines = text.lines().enumerate();
    let minutes = lines.next().map_or(0, |(_, header)| {
        header.split(',').count().saturating_sub(NAMES)
    });
    let mut names = FunctionNumbers::default();
    let mut counts: Vec<SlotCount> = Vec::new();
    for (at, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let fail = |what: String| TraceError {
            line: at + 1,
            what,
            hint: HINT,
        };
        let mut fields = text.split(',');
        let name = fields.nth(2).unwrap_or_default();
        let name = name.get(..SHORT).unwrap_or(name);
        let function = names.number(name);
        let _trigger = fields.next();
        for minute in 1..=minutes {
            let field = fields.next().unwrap_or_default().trim();
            let count: u32 = field
                .parse()
                .map_err(|_| fail(format!("minute {minute} has no count but `{field}`")))?;
            if count > 0 {
                let slot = u32::try_from(minute - 1).unwrap_or(u32::MAX);
                counts.push(SlotCount {
                    slot,
                    function,
                    count,
                });
            }
        }
        if fields.next().is_some() {
            return Err(fail(format!("it has more than {minutes} minutes")));
        }
    }
    if counts.is_empty() {
        return Err(TraceError {
            line: 1,
            what: "there is no request in the whole file".to_owned(),
            hint: HINT,
        });
    }
    counts.sort_unstable_by_key(|one| (one.slot, one.function));
    Ok(RequestTrace {
        functions: names.names,
        warnings: Vec::new(),
        width: 60,
        counts,
    })
}
