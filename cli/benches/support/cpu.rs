//! A process's time on a processor, to the nanosecond: `/proc/PID/stat` counts in hundredths of a
//! second, of which a short round has only a few.

use std::collections::BTreeMap;
use std::time::Duration;

/// Threads of a process and what each has used.
pub struct Cpu {
    pid: u32,
    /// By thread; one that ended keeps what it had.
    threads: BTreeMap<String, u64>,
}

impl Cpu {
    pub fn of(pid: u32) -> Self {
        let mut cpu = Self {
            pid,
            threads: BTreeMap::new(),
        };
        assert!(cpu.used() > Duration::ZERO, "the kernel tells schedstat");
        cpu
    }

    /// Returns the time that all threads have used so far. Call this every few seconds: the time
    /// that a thread used between the last call and its end is missed.
    pub fn used(&mut self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid));
        for thread in threads.expect("the process runs").flatten() {
            let text = std::fs::read_to_string(thread.path().join("schedstat"));
            let used = text.ok();
            let used = used.and_then(|text| text.split_whitespace().next()?.parse().ok());
            if let Some(used) = used {
                let name = thread.file_name().to_string_lossy().into_owned();
                self.threads.insert(name, used);
            }
        }
        Duration::from_nanos(self.threads.values().sum())
    }
}
