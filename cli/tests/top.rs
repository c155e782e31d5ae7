//! `fnlocal top` on a real terminal: it draws, obeys keys, and gives the terminal back.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Instant;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use support::{Dev, Folder, PATIENCE, fnlocal};

#[test]
fn top_draws_on_a_terminal_reacts_to_keys_and_restores_it() {
    let folder = Folder::example("hello");
    let _dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let path = folder.path().to_str().unwrap();
    assert_eq!(fnlocal(&["invoke", "hello", "--folder", path]).0, 0);
    let size = PtySize {
        rows: 24,
        cols: 110,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pty = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_fnlocal"));
    command.args(["top", "--folder", path]);
    command.env("TERM", "xterm-256color");
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let mut writer = pty.master.take_writer().unwrap();
    let (sender, pieces) = channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = reader.read(&mut piece) {
            if sender.send(piece[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut screen = vt100::Parser::new(
        size.rows.try_into().unwrap(),
        size.cols.try_into().unwrap(),
        0,
    );
    let mut until = |what: &str, holds: &dyn Fn(&vt100::Screen) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        while !holds(screen.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let piece = pieces.recv_timeout(left);
            let shown = screen.screen().contents();
            screen.process(&piece.unwrap_or_else(|_| panic!("never {what}:\n{shown}")));
        }
    };
    until("functions", &|screen| {
        let text = screen.contents();
        screen.alternate_screen() && text.contains("FUNCTION*") && text.contains("hello")
    });
    writer.write_all(b"s").unwrap();
    until("sorted by rate", &|screen| {
        screen.contents().contains("REQ/S*")
    });
    writer.write_all(b"l").unwrap();
    until("lines", &|screen| {
        screen.contents().contains("LINES of all functions")
    });
    writer.write_all(b"c").unwrap();
    until("a cold start", &|screen| {
        screen.contents().contains("its idle instances are stopped")
    });
    writer.write_all(b"q").unwrap();
    assert!(child.wait().unwrap().success());
    until("the old screen", &|screen| {
        !screen.alternate_screen() && !screen.hide_cursor()
    });
}

#[test]
fn top_without_a_terminal_is_refused_with_a_hint_to_ps() {
    let folder = Folder::example("hello");
    let _dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let path = folder.path().to_str().unwrap();
    let (code, _, err) = fnlocal(&["top", "--folder", path]);
    assert_eq!(code, 2);
    assert!(err.contains("hint: `fnlocal ps`"), "{err}");
}
