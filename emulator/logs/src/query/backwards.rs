//! All there is of one request, without reading the whole log: the files from the newest back to
//! the one that was written to when the request came.

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::Query;
use crate::cursor::{Cursor, is_before, numbers_in};
use crate::document::{Invocation, LogDocument};

/// Files' times are a little behind the clock that requests are timed by.
const SLACK: Duration = Duration::from_secs(1);

/// The lines that are wanted, the oldest first, and where the log goes on.
pub(super) fn read(query: &Query, folder: &Path) -> io::Result<(String, Cursor)> {
    let mut files: Vec<Vec<String>> = Vec::new();
    let (mut begun, mut end) = (query.since, None);
    for number in numbers_in(folder)?.into_iter().rev() {
        if is_before(folder, number, begun) {
            break;
        }
        let mut cursor = Cursor::of_file(folder, number)?;
        let mut lines = Vec::new();
        while let Some(line) = cursor.next_here()? {
            let Some(kept) = query.parse(&line) else {
                continue;
            };
            if let LogDocument::Invocation(invocation) = &kept {
                begun = arrival(invocation).max(begun);
            }
            lines.push(line);
        }
        files.push(lines);
        // Of the newest.
        end.get_or_insert(cursor);
    }
    let end = match end {
        Some(end) => end,
        None => Cursor::open(folder, query.since)?,
    };
    let lines: Vec<String> = files.into_iter().rev().flatten().collect();
    let over = query
        .limit
        .map_or(0, |limit| lines.len().saturating_sub(limit));
    Ok((lines[over..].concat(), end))
}

/// When the request came; not known of a job, which is run again under the same name, and of what
/// no instance served.
fn arrival(invocation: &Invocation) -> Option<Timestamp> {
    invocation.instance.as_ref()?;
    let took = Duration::try_from_secs_f64(invocation.duration_ms / 1000.0).ok()?;
    invocation.time.checked_sub(took + SLACK).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use super::*;

    const ID: &str = "5f0c21aa00000001";

    fn line(request: &str, text: &str) -> String {
        let time = Timestamp::now();
        format!(
            r#"{{"kind":"line","time":"{time}","instance":"i1","node":"local","request":"{request}","stream":"stdout","text":"{text}"}}"#
        ) + "\n"
    }

    fn invocation(request: &str, instance: &str) -> String {
        let time = Timestamp::now();
        format!(
            r#"{{"kind":"invocation","time":"{time}","request":"{request}","method":"GET","path":"/f","status":200,"node":"local",{instance}"duration_ms":20.0,"first_byte_ms":19.0}}"#
        ) + "\n"
    }

    /// Two files of now, and before them something that cannot be read, of two hours ago.
    fn folder(instance: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |number: u32| folder.path().join(format!("{number:08}.jsonl"));
        fs::create_dir(at(1)).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(7200);
        File::open(at(1)).unwrap().set_modified(long_ago).unwrap();
        let second = [line("other", "1"), line(ID, "2"), line(ID, "3")].concat();
        fs::write(at(2), second).unwrap();
        let third = [line(ID, "4"), invocation(ID, instance), line("other", "5")].concat();
        fs::write(at(3), third).unwrap();
        folder
    }

    fn query(request: &str, limit: Option<usize>) -> Query {
        Query {
            request: Some(request.to_owned()),
            limit,
            ..Query::default()
        }
    }

    fn texts(text: &str) -> Vec<String> {
        let documents = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let text = |kept: LogDocument| match kept {
            LogDocument::Line(line) => line.text,
            _ => "invocation".to_owned(),
        };
        documents.map(text).collect()
    }

    #[test]
    fn a_request_is_searched_only_in_the_log_files_of_its_time() {
        let folder = folder(r#""instance":"i1","#);
        let (text, mut end) = query(ID, None).begin(folder.path()).unwrap();
        assert_eq!(texts(&text), ["2", "3", "4", "invocation"]);
        // The cursor goes on where the newest file ends.
        assert_eq!(end.next_line().unwrap(), None);
        let mut newest = fs::read_to_string(folder.path().join("00000003.jsonl")).unwrap();
        newest.push_str(&line(ID, "6"));
        fs::write(folder.path().join("00000003.jsonl"), newest).unwrap();
        let more = query(ID, None).next(&mut end, 1).unwrap().unwrap();
        assert_eq!(texts(&more), ["6"]);
        let (text, _) = query(ID, Some(2)).begin(folder.path()).unwrap();
        assert_eq!(texts(&text), ["invocation", "6"]);
    }

    #[test]
    fn all_log_files_are_read_if_the_time_of_a_request_is_unknown() {
        let served = folder(r#""instance":"i1","#);
        assert!(query("unknown", None).begin(served.path()).is_err());
        // The runs of a job have no names that distinguish them.
        let job = folder("");
        assert!(query(ID, None).begin(job.path()).is_err());
    }
}
