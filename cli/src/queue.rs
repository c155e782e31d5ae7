//! `fnlocal queue`: asks the fnlocal that runs on the folder, else opens the queue's file itself.

mod args;

pub use args::{Chosen, EXAMPLES, QueueArgs, QueueCommand};

use std::io::Read;
use std::path::Path;

use fnlocal_api::Exit;
use fnlocal_files::OwnPath;
use fnlocal_gateway::triggers::MAX_SHOWN_BYTES;
use fnlocal_gateway::triggers::clock::Clock;
use fnlocal_gateway::triggers::event::rfc3339;
use fnlocal_gateway::triggers::job::{JobId, JobMeta};
use fnlocal_gateway::triggers::queue::{JobState, ListedJob, Offline, Selection};
use fnlocal_gateway::triggers::store::FILE;
use fnlocal_project::{Project, Running};
use serde_json::{Value, json};

use crate::ask::{PlatformAnswer, ask};
use crate::error::{CliError, CommandResult};
use crate::lines::column_width;
use crate::terminal::{self, one_line};

/// Does what was asked for.
pub fn run(args: &QueueArgs) -> CommandResult {
    let text = perform(args)?;
    if args.json {
        terminal::print_json(&text.trim_end());
    } else {
        terminal::print!("{text}");
    }
    Ok(Exit::Ok)
}

fn perform(args: &QueueArgs) -> Result<String, CliError> {
    let place = QueuePlace::find(&args.folder)?;
    Ok(match &args.command {
        QueueCommand::List { function, dead } => {
            let selection = Selection {
                function: function.clone(),
                dead: *dead,
                ..Selection::default()
            };
            let all = place.list(selection)?;
            if args.json {
                line(&json!(all))
            } else {
                table(&all)
            }
        }
        QueueCommand::Show { id } => {
            let (head, body, gone) = place.show(*id)?;
            show(&head, &body, gone, args.json)
        }
        QueueCommand::Retry(chosen) => {
            let count = place.change("retry", selection(chosen))?;
            if args.json {
                line(&json!({ "retried": count }))
            } else {
                format!("{count} jobs run again\n")
            }
        }
        QueueCommand::Purge(chosen) => {
            let count = place.change("purge", selection(chosen))?;
            if args.json {
                line(&json!({ "purged": count }))
            } else {
                format!("{count} jobs removed\n")
            }
        }
    })
}

fn selection(chosen: &Chosen) -> Selection {
    Selection {
        ids: chosen.ids.clone(),
        function: chosen.function.clone(),
        dead: chosen.dead,
        after: None,
    }
}

/// Where the queue is.
enum QueuePlace {
    /// Another process has it.
    Running(Box<Running>),
    /// No process has the queue open.
    File(Offline),
    /// There never was one.
    None,
}

impl QueuePlace {
    fn find(folder: &Path) -> Result<Self, CliError> {
        if let Ok(running) = Running::find(folder) {
            return Ok(Self::Running(Box::new(running)));
        }
        let project = Project::open(folder, None)?;
        let state = project.state();
        // The queue's file is opened by its path, so a link above it must be refused here.
        match OwnPath::new(&state).join(FILE).metadata() {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::None),
            Err(error) => {
                let hint = fnlocal_files::hint(&error);
                return Err(CliError::new(Exit::Failed, error, hint));
            }
        }
        Ok(Self::File(Offline::open(&state, Clock::system())?))
    }

    /// All jobs, page by page.
    fn list(&self, mut selection: Selection) -> Result<Vec<ListedJob>, CliError> {
        let mut all: Vec<ListedJob> = Vec::new();
        loop {
            let page = self.page(selection.clone())?;
            let Some(last) = page.last() else {
                return Ok(all);
            };
            selection.after = Some(last.job.id);
            all.extend(page);
        }
    }

    fn page(&self, selection: Selection) -> Result<Vec<ListedJob>, CliError> {
        match self {
            Self::Running(running) => ask(running, "list", Some(&json!(selection)))?.read(),
            Self::File(file) => Ok(file.list(&selection)?),
            Self::None => Ok(Vec::new()),
        }
    }

    /// A job, its body, and whether its function is known to be gone.
    fn show(&self, id: JobId) -> Result<(JobMeta, Vec<u8>, bool), CliError> {
        let unknown = || unknown_job(format!("there is no job {id}"));
        match self {
            Self::Running(running) => {
                let answer: Value = ask(running, &id.to_string(), None)?.read()?;
                let (head, body) = PlatformAnswer::job(&answer).ok_or_else(unknown)?;
                Ok((head, body, answer["gone"] == true))
            }
            Self::File(file) => {
                let job = file.show(id)?.ok_or_else(unknown)?;
                let mut body = job.body.to_vec();
                if let Some(file) = job.file {
                    let mut file = (&*file).take(MAX_SHOWN_BYTES);
                    file.read_to_end(&mut body).map_err(CliError::failed)?;
                }
                Ok((job.head, body, false))
            }
            Self::None => Err(unknown()),
        }
    }

    fn change(&self, what: &str, selection: Selection) -> Result<u64, CliError> {
        let named = selection.ids.len();
        let count = match self {
            Self::Running(running) => {
                let answer: Value = ask(running, what, Some(&json!(selection)))?.read()?;
                let counts = answer.as_object().into_iter().flat_map(|map| map.values());
                counts.filter_map(Value::as_u64).sum()
            }
            Self::File(file) if what == "retry" => file.retry(&selection)? as u64,
            Self::File(file) => file.purge(&selection)? as u64,
            Self::None => 0,
        };
        if count == 0 && named > 0 {
            return Err(unknown_job(
                "no such job is waiting, and none is a dead letter".to_owned(),
            ));
        }
        Ok(count)
    }
}

fn unknown_job(error: String) -> CliError {
    CliError::new(Exit::Failed, error, "`fnlocal queue list` names the jobs")
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// The text in place of a job's error if its function does not exist.
const GONE: &str = "its function is gone; it runs if the function comes back";

fn table(all: &[ListedJob]) -> String {
    if all.is_empty() {
        return "no jobs\n".to_owned();
    }
    let names = all.iter().map(|one| one.job.function.len());
    let width = column_width(names.chain(["FUNCTION".len()]));
    let mut text = format!(
        "{:<16}  {:<7}  {:<width$}  {:<8}  {:>4}  {:<24}  ERROR\n",
        "ID", "STATE", "FUNCTION", "TRIGGER", "RUNS", "ACCEPTED"
    );
    for ListedJob { state, job, gone } in all {
        let state = match state {
            JobState::Waiting => "waiting",
            JobState::Running => "running",
            JobState::Dead => "dead",
        };
        let error = match gone {
            true => GONE,
            false => job.error.as_deref().unwrap_or_default(),
        };
        let error: String = error
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(80)
            .collect();
        let error = one_line(&error);
        let row = format!(
            "{}  {state:<7}  {:<width$}  {:<8}  {:>4}  {:<24}  {error}",
            job.id,
            one_line(&job.function),
            job.trigger.word(),
            job.attempts,
            rfc3339(job.accepted_ms).unwrap_or_default(),
        );
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn show(head: &JobMeta, body: &[u8], gone: bool, json: bool) -> String {
    let text = std::str::from_utf8(body).ok();
    if json {
        let shown = json!({ "job": head, "body": text, "bytes": head.size, "gone": gone });
        return line(&shown);
    }
    let mut shown = format!("POST {}\n", one_line(&head.path));
    for (name, value) in &head.headers {
        shown.push_str(&format!("{}: {}\n", one_line(name), one_line(value)));
    }
    shown.push('\n');
    match text {
        Some(text) => shown.push_str(text),
        None => shown.push_str(&format!("({} bytes)", head.size)),
    }
    if head.size > body.len() as u64 {
        let (shown_bytes, all) = (body.len(), head.size);
        shown.push_str(&format!("\n(the first {shown_bytes} of {all} bytes)"));
    }
    shown.push('\n');
    if let Some(error) = &head.error {
        shown.push_str(&format!(
            "\nafter {} runs: {}\n",
            head.attempts,
            one_line(error)
        ));
    }
    if gone {
        shown.push_str(&format!("\n{GONE}\n"));
    }
    shown
}
