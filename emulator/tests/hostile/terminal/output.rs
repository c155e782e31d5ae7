//! The output of commands into a pipe and on a terminal must be safe.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// Sequences that a terminal would obey: a title, a question, a cleared screen, a reset, C1 as code
/// points, backspaces, text turned around, invisible text.
pub const HOSTILE: &str =
    "\x1b]0;pwned\x07\x1b[6n\x1b[2J\x1bc\u{9b}31m\u{85}\x08\r\x7f\u{202e}\u{2066}\u{200b}\u{feff}";
/// How long a command may take.
const MAX_RUN: Duration = Duration::from_secs(60);
/// Of a terminal that is wide enough not to cut lines.
const SIZE: PtySize = PtySize {
    rows: 40,
    cols: 200,
    pixel_width: 0,
    pixel_height: 0,
};

/// Runs `fnlocal` with words; stdout and stderr.
pub fn in_pipe(words: impl IntoIterator<Item = String>) -> Vec<u8> {
    let [stdout, stderr] = in_pipes(words);
    [stdout, stderr].concat()
}

/// The same, apart.
pub fn in_pipes(words: impl IntoIterator<Item = String>) -> [Vec<u8>; 2] {
    let child = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr]
}

/// Runs `fnlocal` with words on a terminal; what came there.
pub fn on_terminal(words: impl IntoIterator<Item = String>) -> Vec<u8> {
    let pty = native_pty_system().openpty(SIZE).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_fnlocal"));
    let words: Vec<String> = words.into_iter().collect();
    command.args(&words);
    command.env("TERM", "xterm-256color");
    // CI sets it, and colours are part of what is tested.
    command.env_remove("NO_COLOR");
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let (sender, done) = channel();
    std::thread::spawn(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        // Linux says EIO when the other side is closed.
        while let Ok(read @ 1..) = reader.read(&mut piece) {
            all.extend_from_slice(&piece[..read]);
        }
        sender.send(all)
    });
    let deadline = Instant::now() + MAX_RUN;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{words:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(pty.master);
    done.recv_timeout(MAX_RUN).unwrap()
}

/// Fails if a terminal would obey anything of it but colours; where a command `moves`, also its own
/// ways to move the cursor and to clear a line or a screen of its own.
pub fn assert_clean(what: &str, bytes: &[u8], moves: bool) {
    let text = String::from_utf8(bytes.to_vec());
    let text = text.unwrap_or_else(|error| panic!("{what}: raw bytes: {error}"));
    let text = text.replace("\r\n", "\n");
    for payload in ["\x1b]", "\x1b[6n", "\x1bc", "\x1bP", "\x07", "\x08", "\x7f"] {
        assert!(!text.contains(payload), "{what}: {payload:?} in {text:?}");
    }
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        if let Some(length) = sequence(rest, moves) {
            rest = &rest[length..];
            continue;
        }
        let harmless = matches!(c, '\n' | '\t') || !(c.is_control() || is_hidden(c));
        assert!(
            harmless || (moves && c == '\r'),
            "{what}: {c:?} in {text:?}"
        );
        rest = &rest[c.len_utf8()..];
    }
}

/// The length of a colour, or of a movement where those are allowed.
fn sequence(text: &str, moves: bool) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let digits = |c: char| c.is_ascii_digit() || c == ';' || (moves && c == '?');
    let end = parameters.find(|c| !digits(c))?;
    let last = parameters[end..].chars().next()?;
    (last == 'm' || (moves && "ABCDGHJKhl".contains(last))).then_some(end + 3)
}

fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Fails if it is not JSON, value after value.
pub fn assert_json(what: &str, stdout: &[u8]) {
    let values = serde_json::Deserializer::from_slice(stdout);
    for value in values.into_iter::<serde_json::Value>() {
        assert!(
            value.is_ok(),
            "{what}: {value:?} in {}",
            String::from_utf8_lossy(stdout)
        );
    }
}
