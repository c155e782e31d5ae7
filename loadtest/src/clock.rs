//! Waits to some microseconds, where the runtime's timers round up to milliseconds.
//!
//! On Linux the kernel's timer is one more thing the worker's event loop waits for, so a request
//! that is due wakes nobody but the thread that sends it. Elsewhere a thread sleeps beside it.
//! Waking takes up to a fifth of a millisecond on a virtual machine: the clock learns how long,
//! wakes so much earlier, and goes round the event loop until the moment has come.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    pub struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[allow(
                deprecated,
                reason = "the other way is unsafe code, and this one is sound for an OwnedFd"
            )]
            let timer = AsyncFd::new(timer)?;
            Ok(Self(timer))
        }

        pub async fn sleep(&self, span: Duration) -> io::Result<()> {
            let timer = Itimerspec {
                it_interval: Timespec::default(),
                it_value: span.try_into().map_err(io::Error::other)?,
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &timer)?;
            loop {
                let mut ready = self.0.readable().await?;
                let rung = rustix::io::read(self.0.get_ref(), &mut [0_u8; 8]);
                // The timer rings once; the next reading is empty.
                ready.clear_ready();
                match rung {
                    Ok(_) => return Ok(()),
                    Err(Errno::AGAIN) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::io;
    use std::time::Duration;

    /// The maximum time for which an abandoned sleep keeps its thread.
    const LONGEST: Duration = Duration::from_millis(50);

    pub struct Timer;

    impl Timer {
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub async fn sleep(&self, span: Duration) -> io::Result<()> {
            let until = std::time::Instant::now() + span;
            loop {
                let left = until.saturating_duration_since(std::time::Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                let sleep = move || std::thread::sleep(left.min(LONGEST));
                tokio::task::spawn_blocking(sleep).await?;
            }
        }
    }
}

/// Shortest sleep: waking costs more than what is gained below.
const SHORTEST: Duration = Duration::from_micros(100);
/// A thread that sleeps for less than this is too busy to wake early and wait.
const SHORT: Duration = Duration::from_millis(1);
/// The maximum time by which it wakes earlier.
const EARLIEST: Duration = Duration::from_micros(250);

/// A clock for one who sleeps at a time.
pub struct SleepClock {
    timer: kernel::Timer,
    /// How long waking has taken of late.
    waking: Cell<Duration>,
}

impl SleepClock {
    /// One of the runtime at hand.
    ///
    /// # Errors
    /// When the system gives no timer.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            timer: kernel::Timer::new()?,
            waking: Cell::new(Duration::ZERO),
        })
    }

    /// Waits for a moment. A moment soon after another one comes up to a tenth of a millisecond
    /// late.
    pub async fn until(&self, moment: Instant) {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        if left < SHORT {
            return self.sleep(left.max(SHORTEST)).await;
        }
        let early = moment - self.waking.get();
        self.sleep(left - self.waking.get()).await;
        let took = Instant::now().saturating_duration_since(early);
        self.waking
            .set((self.waking.get() * 7 + took.min(EARLIEST)) / 8);
        while Instant::now() < moment {
            tokio::task::yield_now().await;
        }
    }

    async fn sleep(&self, span: Duration) {
        let slept = self.timer.sleep(span).await;
        slept.expect("a timer that was made can be set and read");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_never_ends_early() {
        let clock = SleepClock::new().unwrap();
        let began = Instant::now();
        for millis in [0.3, 0.6, 3.0, 6.0, 9.0, 9.01] {
            let moment = began + fnlocal_core::time::bounded_millis(millis);
            clock.until(moment).await;
            assert!(Instant::now() >= moment);
        }
        clock.until(began).await;
    }

    #[tokio::test]
    async fn a_cancelled_wait_does_not_shorten_the_next() {
        let clock = SleepClock::new().unwrap();
        let soon = Instant::now() + Duration::from_millis(1);
        tokio::select! {
            biased;
            () = clock.until(soon) => panic!("it waited not at all"),
            () = std::future::ready(()) => {}
        }
        let moment = Instant::now() + Duration::from_millis(20);
        clock.until(moment).await;
        assert!(Instant::now() >= moment);
    }
}
