//! One child process: its output, its end, signals to its group.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::InstanceId;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Inner, family};
use crate::End;
use crate::Notice;
use crate::lines::{InstanceOutput, StderrTail};

/// The maximum wait for the last lines after the end, which tell why: a grandchild may hold the pipe
/// open for ever, and whoever takes lines may be behind.
const LAST_LINES: Duration = Duration::from_secs(1);
const CHUNK_BYTES: usize = 16 * 1024;

/// Passes a child's lines on until it ends, and then tells that.
pub(super) async fn follow(
    inner: Arc<Inner>,
    instance: InstanceId,
    mut child: Child,
    tail: StderrTail,
) {
    // Held, not dropped: the wrapper ends when its stdin does, and so with this process.
    let _stdin = child.stdin.take();
    let output = InstanceOutput::new(instance, inner.notices.clone(), tail);
    let mut pump = tokio::spawn(pump(child.stdout.take(), child.stderr.take(), output));
    let pid = child.id().unwrap_or_default();
    let status = child.wait().await;
    signal(pid, Signal::Kill);
    end_family(&inner, instance).await;
    if timeout(LAST_LINES, &mut pump).await.is_err() {
        pump.abort();
    }
    let told = {
        let mut all = inner.lock();
        let Some(live) = all.get(&instance) else {
            return;
        };
        let end = match status {
            Ok(status) if !status.success() && live.tail.tells_heap_exhausted() => {
                let reason = format!("memory limit exceeded ({} MB)", live.memory_mib);
                End {
                    reason,
                    outside: false,
                }
            }
            Ok(status) => End {
                reason: text(status),
                outside: false,
            },
            Err(error) => End {
                reason: error.to_string(),
                outside: false,
            },
        };
        live.address.close();
        live.ended.send_replace(Some(end.reason.clone()));
        // Otherwise whoever starts or stops it is waiting for this.
        if !live.running {
            return;
        }
        all.remove(&instance).map(|live| (live, end))
    };
    if let Some((live, end)) = told {
        // Nothing of the process remains when its end is reported.
        drop(live);
        let _ = inner.notices.send(Notice::Exit { instance, end }).await;
    }
}

/// Kills what an instance that has ended left outside of its process group.
async fn end_family(inner: &Inner, instance: InstanceId) {
    let mark = inner.lock().get(&instance).map(|live| live.mark.clone());
    if let Some(mark) = mark {
        let end = move || family::end_instance(&mark);
        let _ended = tokio::task::spawn_blocking(end).await;
    }
}

/// Returns why the process ended, when it has.
pub(super) async fn ended(end: &mut watch::Receiver<Option<String>>) -> String {
    match end.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => "it was stopped".to_owned(),
    }
}

async fn pump(
    out: Option<impl AsyncRead + Unpin>,
    err: Option<impl AsyncRead + Unpin>,
    mut output: InstanceOutput,
) {
    let (Some(mut out), Some(mut err)) = (out, err) else {
        return;
    };
    let (mut from_out, mut from_err) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        tokio::select! {
            read = out.read(&mut from_out), if out_open => match read {
                Ok(count @ 1..) => output.push(false, &from_out[..count]).await,
                _ => out_open = false,
            },
            read = err.read(&mut from_err), if err_open => match read {
                Ok(count @ 1..) => output.push(true, &from_err[..count]).await,
                _ => err_open = false,
            },
        }
    }
    output.finish().await;
}

/// A signal to a process and all its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Terminate,
    Kill,
    Stop,
    Continue,
}

pub(super) fn signal(pid: u32, kind: Signal) {
    use rustix::process::{Pid, Signal as Unix, kill_process_group};
    let kind = match kind {
        Signal::Terminate => Unix::TERM,
        Signal::Kill => Unix::KILL,
        Signal::Stop => Unix::STOP,
        Signal::Continue => Unix::CONT,
    };
    // An id of 0 would mean our own group.
    let pid = i32::try_from(pid)
        .ok()
        .filter(|&pid| pid > 1)
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process_group(pid, kind);
    }
}

fn text(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => crate::exit_text(code.into()),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}
