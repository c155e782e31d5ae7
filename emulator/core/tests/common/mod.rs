//! A world around a node: virtual time, a trace, and a memory of what was asked for, so that every
//! effect can be checked against what is really there.

#![allow(dead_code, missing_docs, reason = "each test file uses a part")]

pub mod random;

use std::collections::{BTreeMap, BTreeSet};

use fnlocal_core::time::{Duration, Instant};
use fnlocal_core::{
    CodeHash, Effect, Event, FunctionId, FunctionLimits, FunctionSpec, InstanceId, Node,
    NodeLimits, PackageId, RefuseReason, RequestId, StartKind, StopReason,
};

/// An instance as the outside world sees it.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub package: Option<PackageId>,
    pub booted: bool,
    pub bound: Option<(FunctionId, CodeHash)>,
    pub ready: bool,
    pub paused: bool,
    pub stopping: bool,
    pub running: BTreeSet<RequestId>,
}

/// How a request stands outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Waiting,
    Running(InstanceId),
    Ended,
}

pub struct World {
    pub node: Node,
    pub now: Instant,
    pub trace: Vec<(Instant, Event)>,
    pub machines: BTreeMap<InstanceId, Machine>,
    pub requests: BTreeMap<RequestId, Standing>,
    pub counts: BTreeMap<String, u64>,
    /// The number of events between two checks of the invariants.
    pub check_every: u64,
    pub keep_trace: bool,
    events: u64,
}

impl World {
    pub fn new(limits: NodeLimits) -> Self {
        Self {
            node: Node::new(limits),
            now: Instant::START,
            trace: Vec::new(),
            machines: BTreeMap::new(),
            requests: BTreeMap::new(),
            counts: BTreeMap::new(),
            check_every: 1,
            keep_trace: true,
            events: 0,
        }
    }

    /// Tells the node an event now.
    pub fn tell(&mut self, event: Event) -> Vec<Effect> {
        if self.keep_trace {
            self.trace.push((self.now, event.clone()));
        }
        self.note_event(&event);
        let mut effects = Vec::new();
        self.node.handle(self.now, event.clone(), &mut effects);
        for effect in &effects {
            self.note_effect(effect);
        }
        self.events += 1;
        if self.events.is_multiple_of(self.check_every)
            && let Err(violation) = self.node.check()
        {
            panic!(
                "{violation}\nafter {event:?} at {:?}, which gave {effects:?}",
                self.now
            );
        }
        effects
    }

    /// Lets time pass, and every deadline on the way.
    pub fn pass(&mut self, span: Duration) -> Vec<Effect> {
        let end = self.now + span;
        let mut all = Vec::new();
        while let Some(at) = self.node.next_deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            all.extend(self.tell(Event::DeadlinePassed));
        }
        self.now = end;
        all
    }

    pub fn ms(&mut self, millis: u64) -> Vec<Effect> {
        self.pass(Duration::from_millis(millis))
    }

    fn note_event(&mut self, event: &Event) {
        match event {
            Event::InstanceBooted { instance } => {
                if let Some(machine) = self.machines.get_mut(instance) {
                    machine.booted = true;
                }
            }
            Event::Assigned { instance } => {
                if let Some(machine) = self.machines.get_mut(instance) {
                    machine.ready = machine.bound.is_some();
                }
            }
            Event::StartFailed { instance } | Event::InstanceDied { instance } => {
                self.machines.remove(instance);
            }
            Event::InstanceStopped { instance }
                if self
                    .machines
                    .get(instance)
                    .is_some_and(|machine| machine.stopping) =>
            {
                self.machines.remove(instance);
            }
            Event::RequestArrived { request, .. } => {
                self.requests.entry(*request).or_insert(Standing::Waiting);
            }
            Event::ResponseFinished { request } | Event::ClientGone { request } => {
                let standing = self.requests.get(request).copied();
                let finished = matches!(event, Event::ResponseFinished { .. });
                match standing {
                    Some(Standing::Running(_)) => {}
                    Some(Standing::Waiting) if !finished => {}
                    _ => return,
                }
                self.requests.insert(*request, Standing::Ended);
            }
            _ => {}
        }
    }

    fn machine(&mut self, instance: InstanceId, effect: &Effect) -> &mut Machine {
        let machine = self.machines.get_mut(&instance);
        let machine = machine.unwrap_or_else(|| panic!("{effect:?} is about nothing that lives"));
        assert!(
            !machine.stopping,
            "{effect:?} is about an instance being stopped"
        );
        machine
    }

    fn count(&mut self, effect: &Effect) {
        let name = format!("{effect:?}");
        let name = name.split([' ', '{']).next().unwrap_or_default().to_owned();
        let detail = match effect {
            Effect::Dispatch { start, .. } => format!("{start:?}"),
            Effect::Stop { reason, .. } => format!("Stop{reason:?}"),
            Effect::Refuse { reason, .. } => format!("Refuse{reason:?}"),
            _ => String::new(),
        };
        for name in [name, detail] {
            if !name.is_empty() {
                *self.counts.entry(name).or_default() += 1;
            }
        }
    }

    fn note_dispatch(&mut self, request: RequestId, instance: InstanceId, effect: &Effect) {
        let machine = self.machine(instance, effect);
        assert!(
            machine.ready && !machine.paused,
            "{effect:?} but {machine:?}"
        );
        let standing = self.requests.insert(request, Standing::Running(instance));
        let standing = standing.unwrap_or_else(|| panic!("{effect:?} of nothing"));
        assert_ne!(standing, Standing::Ended, "{effect:?} after its end");
    }

    fn note_effect(&mut self, effect: &Effect) {
        self.count(effect);
        match *effect {
            Effect::Start {
                instance, package, ..
            } => {
                let machine = Machine {
                    package: Some(package),
                    ..Machine::default()
                };
                assert!(
                    self.machines.insert(instance, machine).is_none(),
                    "{instance} twice"
                );
            }
            Effect::Prime { instance, .. } => {
                let machine = self.machine(instance, effect);
                assert!(machine.booted && machine.bound.is_none() && !machine.paused);
            }
            Effect::Assign {
                instance,
                function,
                code,
            } => {
                let machine = self.machine(instance, effect);
                assert!(
                    machine.booted && !machine.paused,
                    "{effect:?} but {machine:?}"
                );
                assert!(machine.bound.is_none(), "{effect:?} but {machine:?}");
                machine.bound = Some((function, code));
            }
            Effect::Dispatch {
                request, instance, ..
            } => {
                self.note_dispatch(request, instance, effect);
            }
            Effect::Pause { instance } => {
                let machine = self.machine(instance, effect);
                assert!(!machine.paused, "{effect:?} twice");
                machine.paused = true;
            }
            Effect::Resume { instance } => {
                let machine = self.machine(instance, effect);
                assert!(machine.paused, "{effect:?} without pause");
                machine.paused = false;
            }
            Effect::Stop { instance, .. } => {
                self.machine(instance, effect).stopping = true;
            }
            Effect::Refuse { request, .. } => {
                let standing = self.requests.insert(request, Standing::Ended);
                assert!(
                    matches!(standing, Some(Standing::Waiting | Standing::Running(_))),
                    "{effect:?} but it was {standing:?}"
                );
            }
            Effect::Abandon { instance } => {
                let gone = self.machines.remove(&instance);
                assert!(gone.is_some_and(|one| one.stopping), "{effect:?}");
            }
            Effect::Switched { .. } => {}
            Effect::Drained => {
                assert!(self.machines.is_empty(), "drained with {:?}", self.machines);
            }
        }
    }
}

pub fn node_limits() -> NodeLimits {
    NodeLimits {
        memory_mib: 8192,
        max_instances: 100,
        rps: None,
        parallel_starts: 2,
        parallel_refills: 1,
        spares: 0,
        spare_memory_mib: 512,
        ..NodeLimits::default()
    }
}

pub const P: PackageId = PackageId(1);
pub const F: FunctionId = FunctionId(1);
pub const G: FunctionId = FunctionId(2);
pub const X: CodeHash = CodeHash(0xa);
pub const Y: CodeHash = CodeHash(0xb);

pub fn spec(function: FunctionId, limits: &FunctionLimits) -> FunctionSpec {
    FunctionSpec {
        function,
        limits: limits.clone(),
        broken: false,
    }
}

pub fn broken(function: FunctionId) -> FunctionSpec {
    FunctionSpec {
        function,
        limits: FunctionLimits::default(),
        broken: true,
    }
}

/// Short cuts for stories.
impl World {
    /// A world whose package has these functions, and whose priming instance has been used up or
    /// stopped.
    pub fn with(limits: NodeLimits, functions: &[FunctionSpec]) -> Self {
        let mut world = Self::new(limits);
        let effects = world.tell(Event::CodeChanged {
            rebuilt: false,
            package: P,
            code: X,
        });
        let instance = started(&effects)[0];
        world.boot(instance);
        world.primed(instance, X, functions);
        world
    }

    /// As [`World::with`], and then nothing runs.
    pub fn bare(limits: NodeLimits, functions: &[FunctionSpec]) -> Self {
        let mut world = Self::with(limits, functions);
        let ids: Vec<InstanceId> = world.machines.keys().copied().collect();
        for instance in ids {
            world.tell(Event::InstanceDied { instance });
        }
        // The pause of refills after a death is over.
        world.ms(1100);
        world
    }

    /// As [`World::bare`] with one default function, and one idle instance of it.
    pub fn warm(limits: NodeLimits, function: &FunctionLimits) -> (Self, InstanceId) {
        let mut world = Self::bare(limits, &[spec(F, function)]);
        let effects = world.ask(1_000_000, F);
        let instance = started(&effects)[0];
        world.ms(100);
        world.ready(instance);
        world.ms(10);
        world.finish(1_000_000);
        (world, instance)
    }

    pub fn primed(
        &mut self,
        instance: InstanceId,
        code: CodeHash,
        functions: &[FunctionSpec],
    ) -> Vec<Effect> {
        self.tell(Event::Primed {
            instance,
            code,
            functions: functions.to_vec(),
        })
    }
    pub fn ask(&mut self, request: u64, function: FunctionId) -> Vec<Effect> {
        self.tell(Event::RequestArrived {
            request: RequestId(request),
            function,
        })
    }
    pub fn finish(&mut self, request: u64) -> Vec<Effect> {
        let request = RequestId(request);
        let mut effects = self.tell(Event::ResponseStarted { request });
        effects.extend(self.tell(Event::ResponseFinished { request }));
        effects
    }
    pub fn boot(&mut self, instance: InstanceId) -> Vec<Effect> {
        self.tell(Event::InstanceBooted { instance })
    }
    pub fn assigned(&mut self, instance: InstanceId) -> Vec<Effect> {
        self.tell(Event::Assigned { instance })
    }
    /// Boots, and imports what it is then given.
    pub fn ready(&mut self, instance: InstanceId) -> Vec<Effect> {
        let mut effects = self.boot(instance);
        effects.extend(self.assigned(instance));
        effects
    }
    pub fn stopped(&mut self, instance: InstanceId) -> Vec<Effect> {
        self.tell(Event::InstanceStopped { instance })
    }
}

pub fn started(effects: &[Effect]) -> Vec<InstanceId> {
    let start = |effect: &Effect| match effect {
        Effect::Start { instance, .. } => Some(*instance),
        _ => None,
    };
    effects.iter().filter_map(start).collect()
}

pub fn stops(effects: &[Effect]) -> Vec<(InstanceId, StopReason)> {
    let stop = |effect: &Effect| match effect {
        Effect::Stop {
            instance, reason, ..
        } => Some((*instance, *reason)),
        _ => None,
    };
    effects.iter().filter_map(stop).collect()
}

pub fn dispatched(effects: &[Effect]) -> Vec<(u64, InstanceId, StartKind)> {
    let dispatch = |effect: &Effect| match effect {
        Effect::Dispatch {
            request,
            instance,
            start,
        } => Some((request.0, *instance, *start)),
        _ => None,
    };
    effects.iter().filter_map(dispatch).collect()
}

pub fn refused(effects: &[Effect]) -> Vec<(u64, RefuseReason)> {
    let refuse = |effect: &Effect| match effect {
        Effect::Refuse {
            request, reason, ..
        } => Some((request.0, *reason)),
        _ => None,
    };
    effects.iter().filter_map(refuse).collect()
}

pub fn assigns(effects: &[Effect]) -> Vec<(InstanceId, FunctionId, CodeHash)> {
    let assign = |effect: &Effect| match effect {
        Effect::Assign {
            instance,
            function,
            code,
        } => Some((*instance, *function, *code)),
        _ => None,
    };
    effects.iter().filter_map(assign).collect()
}
