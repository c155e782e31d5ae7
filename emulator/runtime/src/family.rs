//! The processes that an instance started, also those that left its process group.
//!
//! An instance's process bears a mark in its environment, which its descendants get. Descendants
//! that are still below it in the tree of processes are found without the mark. A process that
//! cleared its environment and outlived its parent is not found.
//!
//! A process is signalled by a descriptor that was opened before it was looked at, so a number that
//! another process got meanwhile is never signalled.

/// The variable that holds the mark: the run and the instance. The wrapper hides what begins with
/// `FNLOCAL_` from user code, and so from children.
pub(super) const MARK: &str = "_FNLOCAL_INSTANCE";

/// The mark of an instance.
pub(super) fn mark(run: &str, instance: &str) -> String {
    format!("{run}/{instance}")
}

#[cfg(target_os = "linux")]
pub use linux::{Family, end_instance, end_run};

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::fs;
    use std::num::NonZeroI32;
    use std::os::fd::OwnedFd;

    use rustix::process::{
        Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal,
    };

    use super::MARK;

    /// The most times that processes are looked for, since they may start others meanwhile.
    const MAX_ROUNDS: usize = 16;

    /// The processes of an instance.
    pub struct Family {
        prefix: Vec<u8>,
        /// Those found so far by the tree.
        members: Vec<Process>,
    }

    impl Family {
        /// Looks for those of the instance that bears `mark`, whose own process is `root`.
        pub fn marked(mark: &str, root: u32) -> Self {
            let prefix = prefix(mark);
            let root = i32::try_from(root).ok().and_then(Pid::from_raw);
            let root = root.and_then(|root| Process::pin(root, |root| bears(root, &prefix)));
            let members = below(root.into_iter().collect());
            Self { prefix, members }
        }

        /// Kills all, and those that they start meanwhile.
        pub fn end(self) {
            for member in &self.members {
                member.kill();
            }
            end_marked(&self.prefix);
        }
    }

    /// Kills all processes that bear an instance's mark.
    pub fn end_instance(mark: &str) {
        end_marked(&prefix(mark));
    }

    fn prefix(mark: &str) -> Vec<u8> {
        format!("{MARK}={mark}\0").into_bytes()
    }

    /// Kills all processes of a run.
    pub fn end_run(run: &str) {
        end_marked(format!("{MARK}={run}/").as_bytes());
    }

    fn end_marked(prefix: &[u8]) {
        for _ in 0..MAX_ROUNDS {
            let marked = processes().into_iter().filter(|&pid| bears(pid, prefix));
            let marked = marked.filter_map(|pid| Process::pin(pid, |pid| bears(pid, prefix)));
            let found = below(marked.collect());
            // One that is dead but not yet waited for has no environment, and is not found again.
            if found.iter().filter(|process| process.kill()).count() == 0 {
                break;
            }
        }
    }

    /// Some processes and their descendants.
    fn below(roots: Vec<Process>) -> Vec<Process> {
        let mut children: BTreeMap<NonZeroI32, Vec<Pid>> = BTreeMap::new();
        if !roots.is_empty() {
            for pid in processes() {
                if let Some(parent) = parent(pid) {
                    children
                        .entry(parent.as_raw_nonzero())
                        .or_default()
                        .push(pid);
                }
            }
        }
        let mut found = Vec::new();
        let mut waiting = roots;
        while let Some(process) = waiting.pop() {
            // Taken out, so that none is looked at twice.
            for child in children
                .remove(&process.pid.as_raw_nonzero())
                .unwrap_or_default()
            {
                waiting.extend(Process::pin(child, |child| {
                    parent(child) == Some(process.pid)
                }));
            }
            found.push(process);
        }
        found
    }

    /// A process that is pinned.
    struct Process {
        pid: Pid,
        /// `None` if the system has no such descriptors.
        descriptor: Option<OwnedFd>,
    }

    impl Process {
        /// The process of this number, if it is what it is taken for: looked at once it is pinned.
        fn pin(pid: Pid, is_it: impl Fn(Pid) -> bool) -> Option<Self> {
            let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(descriptor) => Some(descriptor),
                Err(rustix::io::Errno::NOSYS) => None,
                Err(_) => return None,
            };
            (pid != getpid() && is_it(pid)).then_some(Self { pid, descriptor })
        }

        /// Kills the process. Returns whether it was there.
        fn kill(&self) -> bool {
            match &self.descriptor {
                Some(descriptor) => pidfd_send_signal(descriptor, Signal::KILL).is_ok(),
                None => kill_process(self.pid, Signal::KILL).is_ok(),
            }
        }
    }

    fn processes() -> Vec<Pid> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }

    /// Returns whether a variable of its environment begins so. That of another user's process is
    /// not read.
    fn bears(pid: Pid, prefix: &[u8]) -> bool {
        let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
        let Ok(mut environment) = fs::read(path) else {
            return false;
        };
        environment.push(0);
        environment.starts_with(prefix)
            || environment
                .windows(prefix.len() + 1)
                .any(|part| part[0] == 0 && part[1..] == *prefix)
    }

    fn parent(pid: Pid) -> Option<Pid> {
        let text = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        // The name before it is in brackets and may hold anything.
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) struct Family;

/// Other systems do not show a process's environment: there the process group ends, and no more.
#[cfg(not(target_os = "linux"))]
impl Family {
    pub fn marked(_mark: &str, _root: u32) -> Self {
        Self
    }

    pub fn end(self) {}
}

#[cfg(not(target_os = "linux"))]
pub(super) fn end_instance(_mark: &str) {}

#[cfg(not(target_os = "linux"))]
pub(super) fn end_run(_run: &str) {}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Read;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// `sh` that prints its child's number when that runs.
    fn shell(mark: &str, script: &str) -> (Child, u32) {
        let mut command = Command::new("sh");
        let command = command.args(["-c", script]).env(MARK, mark);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut text = String::new();
        let mut out = child.stdout.take().unwrap();
        let mut byte = [0];
        while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            text.push(char::from(byte[0]));
        }
        (child, text.trim().parse().unwrap())
    }

    fn is_gone(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        // One that nothing waits for stays as a zombie.
        stat.map_or(true, |stat| stat.contains(") Z "))
    }

    fn assert_gone(pid: u32) {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !is_gone(pid) {
            assert!(std::time::Instant::now() < end, "{pid} goes on");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_process_in_its_own_session_ends_with_its_instance() {
        let script = "setsid sh -c 'echo $$; exec sleep 600' & wait";
        let (mut root, detached) = shell("r1/1", script);
        Family::marked("r1/1", root.id()).end();
        root.wait().unwrap();
        assert_gone(detached);
    }

    #[test]
    fn an_unmarked_descendant_process_ends_with_its_instance() {
        let script = "env -i setsid sh -c 'echo $$; exec sleep 600' & wait";
        let (mut root, unmarked) = shell("r2/1", script);
        let family = Family::marked("r2/1", root.id());
        root.kill().unwrap();
        root.wait().unwrap();
        family.end();
        assert_gone(unmarked);
    }

    #[test]
    fn ending_an_instance_or_a_run_leaves_the_others_running() {
        let script = "echo $$; exec sleep 600";
        let (mut one, _) = shell("r3/1", script);
        let (mut ten, _) = shell("r3/10", script);
        let (mut other, _) = shell("r33/1", script);
        Family::marked("r3/1", one.id()).end();
        one.wait().unwrap();
        assert!(ten.try_wait().unwrap().is_none());
        end_run("r3");
        ten.wait().unwrap();
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
