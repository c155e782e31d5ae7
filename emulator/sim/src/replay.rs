//! Plays a recording of a live node again and compares what its core says.

use std::io::BufRead;

use fnlocal_core::record::{Header, RecordedEvent, Replay, ReplayDifference, VERSION};

/// Why a recording was not replayed to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("line {line} cannot be read")]
    Io {
        /// Where, from 1.
        line: usize,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The file is no recording, or was cut off.
    #[error("line {line} is not of a recording: {source}")]
    NotARecording {
        /// Where, from 1.
        line: usize,
        /// The error of the JSON.
        source: serde_json::Error,
    },
    /// The recording was made by another version.
    #[error("its version is {found}, and this fnlocal reads version {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The core says something else now.
    #[error("line {line}: {}", told(difference))]
    Differs {
        /// Where, from 1.
        line: usize,
        /// The difference.
        difference: Box<ReplayDifference>,
    },
}

fnlocal_api::user_error!(ReplayError {
    Self::Io { .. } => None;
    Self::NotARecording { .. } => "make one with `fnlocal dev --record FILE`";
    Self::Version { .. } => "replay it with the fnlocal it was made with";
    Self::Differs { .. } => "the same events led to other decisions: the core has changed since, or \
        forgot to be deterministic";
});

fn told(difference: &ReplayDifference) -> String {
    let entry = &difference.entry;
    let lines = |effects: &[fnlocal_core::Effect]| {
        let lines = effects.iter().map(|effect| format!("\n    {effect:?}"));
        let lines: String = lines.collect();
        if lines.is_empty() {
            "\n    nothing".to_owned()
        } else {
            lines
        }
    };
    format!(
        "at {:.6} s, after {:?}\n  recorded:{}\n  now:{}",
        entry.at.as_micros() as f64 / 1e6,
        entry.event,
        lines(&entry.effects),
        lines(&difference.now)
    )
}

/// The result of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The number of events replayed.
    pub events: u64,
    /// Effects, all as recorded.
    pub effects: u64,
}

/// Replays a recording.
///
/// # Errors
/// [`ReplayError`] at the first line that is wrong, or whose effects differ.
pub fn replay(recording: impl BufRead) -> Result<Replayed, ReplayError> {
    let mut lines = recording.lines().enumerate();
    let header = match lines.next() {
        Some((_, Ok(text))) => parse::<Header>(1, &text)?,
        Some((_, Err(source))) => return Err(ReplayError::Io { line: 1, source }),
        None => parse::<Header>(1, "")?,
    };
    if header.version != VERSION {
        let found = header.version;
        return Err(ReplayError::Version { found });
    }
    let mut node = Replay::new(&header);
    let mut replayed = Replayed {
        events: 0,
        effects: 0,
    };
    for (at, text) in lines {
        let line = at + 1;
        let text = text.map_err(|source| ReplayError::Io { line, source })?;
        let entry: RecordedEvent = parse(line, &text)?;
        replayed.events += 1;
        replayed.effects += entry.effects.len() as u64;
        let differs = |difference| ReplayError::Differs { line, difference };
        node.step(entry).map_err(differs)?;
    }
    Ok(replayed)
}

fn parse<T: serde::de::DeserializeOwned>(line: usize, text: &str) -> Result<T, ReplayError> {
    serde_json::from_str(text).map_err(|source| ReplayError::NotARecording { line, source })
}

#[cfg(test)]
mod tests {
    use fnlocal_api::UserError;

    use super::*;
    use fnlocal_core::time::Instant;
    use fnlocal_core::{CodeHash, Event, FunctionId, Node, NodeLimits, PackageId, RequestId};

    fn recording() -> Vec<String> {
        let limits = NodeLimits::default();
        let mut node = Node::new(limits.clone());
        let mut lines = vec![serde_json::to_string(&Header::new(limits)).unwrap()];
        let events = [
            Event::CodeChanged {
                package: PackageId(1),
                code: CodeHash(1),
                rebuilt: false,
            },
            Event::RequestArrived {
                request: RequestId(1),
                function: FunctionId(1),
            },
        ];
        for (at, event) in events.into_iter().enumerate() {
            let at = Instant::from_millis(at as u64);
            let mut effects = Vec::new();
            node.handle(at, event.clone(), &mut effects);
            let entry = RecordedEvent { at, event, effects };
            lines.push(serde_json::to_string(&entry).unwrap());
        }
        lines
    }

    #[test]
    fn an_unchanged_recording_replays_without_differences() {
        let replayed = replay(recording().join("\n").as_bytes()).unwrap();
        assert_eq!((replayed.events, replayed.effects), (2, 2));
    }

    #[test]
    fn the_first_difference_of_a_replay_is_shown_with_recorded_and_current_effects() {
        let mut lines = recording();
        lines[2] = lines[2].replace("unknown_function", "draining");
        let error = replay(lines.join("\n").as_bytes()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("line 3: at 0.001000 s, after RequestArrived"),
            "{text}"
        );
        assert!(
            text.contains("recorded:\n    Refuse") && text.contains("Draining"),
            "{text}"
        );
        assert!(
            text.contains("now:\n    Refuse") && text.contains("UnknownFunction"),
            "{text}"
        );
    }

    #[test]
    fn files_that_are_not_recordings_of_this_version_are_refused() {
        for text in ["", "hello", "{}"] {
            let error = replay(text.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("line 1 is not"), "{error}");
        }
        let mut lines = recording();
        lines[0] = lines[0].replace("\"version\":2", "\"version\":99");
        let error = replay(lines.join("\n").as_bytes()).unwrap_err();
        assert!(error.to_string().contains("99") && error.hint().is_some());
        let mut cut = recording().join("\n");
        cut.truncate(cut.len() - 5);
        let error = replay(cut.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("line 3 is not"), "{error}");
    }
}
