//! Events a second, printed as one line of JSON: the warm path alone, and a mixed load.

use std::hint::black_box;
use std::time::Instant as Clock;

use fnlocal_core::time::{Duration, Instant};
use fnlocal_core::{
    CodeHash, Effect, Event, FunctionId, FunctionLimits, FunctionSpec, InstanceId, Node,
    NodeLimits, PackageId, RequestId,
};

/// Answers every effect at once, but for responses.
struct Bench {
    node: Node,
    now: Instant,
    effects: Vec<Effect>,
    running: Vec<RequestId>,
    events: u64,
    spec: FunctionLimits,
    functions: u32,
}

impl Bench {
    fn new(functions: u32, max_instances: u32, memory_mib: u32) -> Self {
        let limits = NodeLimits {
            memory_mib,
            max_instances: 10_000,
            rps: None,
            parallel_starts: 4,
            parallel_refills: 2,
            spares: 1,
            spare_memory_mib: 512,
            ..NodeLimits::default()
        };
        let spec = FunctionLimits {
            rps: None,
            max_instances,
            ..FunctionLimits::default()
        };
        let (effects, running) = (Vec::new(), Vec::new());
        let node = Node::new(limits);
        let mut bench = Self {
            node,
            now: Instant::START,
            effects,
            running,
            events: 0,
            spec,
            functions,
        };
        bench.tell(Event::CodeChanged {
            rebuilt: false,
            package: PackageId(0),
            code: CodeHash(1),
        });
        bench
    }

    fn tell(&mut self, event: Event) {
        self.events += 1;
        self.node.handle(self.now, event, &mut self.effects);
        black_box(self.node.next_deadline());
        while let Some(effect) = self.effects.pop() {
            if let Some(event) = self.answer(effect) {
                self.events += 1;
                self.node.handle(self.now, event, &mut self.effects);
                black_box(self.node.next_deadline());
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Option<Event> {
        Some(match effect {
            Effect::Start { instance, .. } => Event::InstanceBooted { instance },
            Effect::Prime { instance, code } => self.primed(instance, code),
            Effect::Assign { instance, .. } => Event::Assigned { instance },
            Effect::Pause { instance } => Event::Paused { instance },
            Effect::Resume { instance } => Event::Resumed { instance },
            Effect::Stop { instance, .. } => Event::InstanceStopped { instance },
            Effect::Dispatch { request, .. } => {
                self.running.push(request);
                return None;
            }
            Effect::Refuse { .. }
            | Effect::Switched { .. }
            | Effect::Drained
            | Effect::Abandon { .. } => return None,
        })
    }

    fn primed(&self, instance: InstanceId, code: CodeHash) -> Event {
        let spec = |function| FunctionSpec {
            function: FunctionId(function),
            limits: self.spec.clone(),
            broken: false,
        };
        Event::Primed {
            instance,
            code,
            functions: (0..self.functions).map(spec).collect(),
        }
    }
}

/// Events a second when every request finds an idle instance; 32 run at once.
fn warm(rounds: u64) -> f64 {
    let mut bench = Bench::new(20, 1000, 1_000_000);
    let mut next = 0;
    while bench.running.len() < 32 {
        bench.tell(Event::RequestArrived {
            request: RequestId(next),
            function: FunctionId(3),
        });
        next += 1;
    }
    let before = bench.events;
    let clock = Clock::now();
    for round in 0..rounds {
        bench.now = bench.now + Duration::from_micros(50);
        let at = usize::try_from(round % 32).unwrap_or(0);
        let request = bench.running.swap_remove(at);
        bench.tell(Event::ResponseFinished { request });
        bench.tell(Event::RequestArrived {
            request: RequestId(next),
            function: FunctionId(3),
        });
        bench.tell(Event::ResponseStarted {
            request: RequestId(next),
        });
        next += 1;
    }
    per_second(bench.events - before, clock)
}

/// Events a second when 20 functions are asked for unevenly, by more than their few instances can
/// serve at times, with pauses, queues, clients leaving, and new code now and then.
fn mixed(rounds: u64) -> f64 {
    let mut bench = Bench::new(20, 8, 1_000_000);
    let clock = Clock::now();
    let before = bench.events;
    let mut dice: u64 = 1;
    for next in 0..rounds {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let roll = dice >> 33;
        bench.now = bench.now + Duration::from_micros(roll % 2_000);
        let function = FunctionId(u32::try_from((roll % 21) * (roll % 19) / 20).unwrap_or(0));
        let request = RequestId(next);
        bench.tell(Event::RequestArrived { request, function });
        while bench.running.len() > usize::try_from(roll % 200).unwrap_or(0) {
            let at = usize::try_from(roll).unwrap_or(0) % bench.running.len();
            let request = bench.running.swap_remove(at);
            bench.tell(Event::ResponseStarted { request });
            bench.tell(Event::ResponseFinished { request });
        }
        if roll.is_multiple_of(50) {
            bench.tell(Event::ClientGone { request });
            bench.tell(Event::Released { request });
        }
        if roll.is_multiple_of(20_000) {
            let code = CodeHash(roll);
            bench.tell(Event::CodeChanged {
                rebuilt: false,
                package: PackageId(0),
                code,
            });
        }
        if bench.node.next_deadline().is_some_and(|at| at <= bench.now) {
            bench.tell(Event::DeadlinePassed);
        }
    }
    per_second(bench.events - before, clock)
}

/// Events a second when 200 functions are asked for evenly on a node with room for 20 instances:
/// nearly every request evicts somebody or waits until it may.
fn demand_unmet(rounds: u64) -> f64 {
    let mut bench = Bench::new(200, 100, 20 * 512);
    let clock = Clock::now();
    let before = bench.events;
    for next in 0..rounds {
        bench.now = bench.now + Duration::from_micros(500);
        let function = FunctionId(u32::try_from(next * 7919 % 200).unwrap_or(0));
        let request = RequestId(next);
        bench.tell(Event::RequestArrived { request, function });
        if bench.running.len() > 18 {
            let request = bench.running.remove(0);
            bench.tell(Event::ResponseStarted { request });
            bench.tell(Event::ResponseFinished { request });
        }
        if bench.node.next_deadline().is_some_and(|at| at <= bench.now) {
            bench.tell(Event::DeadlinePassed);
        }
    }
    per_second(bench.events - before, clock)
}

fn per_second(events: u64, clock: Clock) -> f64 {
    events as f64 / clock.elapsed().as_secs_f64()
}

fn main() {
    // `cargo test --benches` runs this too: a short run then.
    let rounds = if std::env::args().any(|arg| arg == "--bench") {
        1_000_000
    } else {
        1_000
    };
    let (warm, mixed, demand_unmet) = (warm(rounds), mixed(rounds), demand_unmet(rounds / 10));
    println!(
        "{{\"warm_events_per_second\":{warm:.0},\"mixed_events_per_second\":{mixed:.0},\
         \"starved_events_per_second\":{demand_unmet:.0}}}"
    );
}
