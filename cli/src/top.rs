//! `fnlocal top`: what runs, full-screen.
//!
//! The screen reads the same events as the dashboard, so both show the same figures.

mod args;
mod model;
mod screen;
mod stream;

pub use args::{EXAMPLES, TopArgs};

use std::io::IsTerminal;
use std::time::Duration;

use fnlocal_api::Exit;
use fnlocal_project::Running;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use crate::error::{CliError, CommandResult};
use crate::running::{self, AskError, block_on};

use model::Model;
use stream::Stream;

/// Keys and events that may wait; nobody types faster than is drawn.
const WAITING: usize = 64;
/// Time after which a fnlocal that left is looked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// Shows it until `q`.
pub fn run(args: &TopArgs) -> CommandResult {
    let running = Running::find(&args.folder)?;
    if !crate::terminal::is_out() || !std::io::stdin().is_terminal() {
        let hint = "`fnlocal ps` prints the same once, and with --json for machines";
        return Err(CliError::usage(
            "a terminal is needed for a full screen",
            hint,
        ));
    }
    // Gives the terminal back also when something panics.
    let mut terminal = ratatui::init();
    let shown = block_on(show(args, running, &mut terminal));
    ratatui::restore();
    shown?;
    Ok(Exit::Ok)
}

async fn show(
    args: &TopArgs,
    mut running: Running,
    terminal: &mut DefaultTerminal,
) -> Result<(), AskError> {
    let client = running::client().map_err(|error| running::silent(&running, error))?;
    let mut keys = keys();
    let mut model = Model::new(&running);
    let mut stream = Some(Stream::open(&client, &running).await?);
    let end = async {
        match args.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    loop {
        terminal.draw(|frame| {
            screen::draw(frame, &mut model);
            screen::make_safe(frame.buffer_mut());
        })?;
        tokio::select! {
            Some(event) = keys.recv() => match asked(&event) {
                TopInput::Quit => return Ok(()),
                TopInput::Cold => {
                    if let Some(name) = model.chosen() {
                        let said = running::chill(&client, &running, &name).await?;
                        model.say(&format!("{name}: its idle instances are stopped ({said})"));
                    }
                }
                TopInput::Key(key) => model.key(key),
                TopInput::Nothing => {}
            },
            told = next(&mut stream) => match told {
                Some(told) => model.take(told),
                None => {
                    model.lost();
                    stream = None;
                }
            },
            () = tokio::time::sleep(AGAIN), if stream.is_none() => {
                if let Ok(found) = Running::find(&args.folder) {
                    running = found;
                    stream = Stream::open(&client, &running).await.ok();
                }
            }
            () = &mut end => return Ok(()),
        }
    }
}

async fn next(stream: &mut Option<Stream>) -> Option<stream::StreamEvent> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

/// Reads the terminal's keys on a thread of its own that ends with the process.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                break;
            }
        }
    });
    receiver
}

enum TopInput {
    Quit,
    Cold,
    Key(KeyCode),
    Nothing,
}

fn asked(event: &Event) -> TopInput {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind: KeyEventKind::Press,
        ..
    }) = event
    else {
        // Another size is drawn anyway.
        return TopInput::Nothing;
    };
    match code {
        KeyCode::Char('q') | KeyCode::Esc => TopInput::Quit,
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => TopInput::Quit,
        KeyCode::Char('c') => TopInput::Cold,
        key => TopInput::Key(*key),
    }
}
