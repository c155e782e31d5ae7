//! A random world: mostly plausible answers to what the node asked for, some nonsense, seeded.

use fnlocal_core::time::Duration;
use fnlocal_core::{
    CodeHash, Effect, Event, Excess, FunctionId, FunctionLimits, FunctionSpec, InstanceId,
    NodeLimits, OverRate, PackageId, RequestId, Retry,
};

use super::{Standing, World};

/// SplitMix64 (Steele, Lea and Flood 2014): a few lines, good enough, the same everywhere.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    pub fn pick(&mut self, from: &[u32]) -> u32 {
        from[self.below(from.len() as u64) as usize]
    }
}

/// An answer the world owes.
#[derive(Clone, Debug)]
enum Owed {
    Boot(InstanceId),
    Prime(InstanceId, CodeHash),
    Assign(InstanceId),
    Pause(InstanceId),
    Resume(InstanceId),
    Stop(InstanceId),
    Respond(RequestId, InstanceId),
    Release(RequestId, InstanceId),
}

pub struct Random {
    pub world: World,
    pub rng: Rng,
    /// Failures in a hundred answers.
    pub failing: u64,
    /// Effects in a hundred that are never answered.
    pub silent: u64,
    owed: Vec<Owed>,
    next_request: u64,
}

const PACKAGES: u64 = 3;
const FUNCTIONS: u64 = 3;

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let limits = node(&mut rng);
        let mut random = Self {
            world: World::new(limits),
            rng,
            failing: 5,
            silent: 0,
            owed: Vec::new(),
            next_request: 1,
        };
        for package in 0..PACKAGES {
            random.code_changed(PackageId(package as u32));
        }
        random
    }

    fn tell(&mut self, event: Event) {
        let effects = self.world.tell(event);
        self.owe(&effects);
    }

    fn owe(&mut self, effects: &[Effect]) {
        for effect in effects {
            self.owed.push(match *effect {
                Effect::Start { instance, .. } => Owed::Boot(instance),
                Effect::Prime { instance, code } => Owed::Prime(instance, code),
                Effect::Assign { instance, .. } => Owed::Assign(instance),
                Effect::Dispatch {
                    request, instance, ..
                } => Owed::Respond(request, instance),
                Effect::Pause { instance } => Owed::Pause(instance),
                Effect::Resume { instance } => Owed::Resume(instance),
                Effect::Stop { instance, .. } => Owed::Stop(instance),
                Effect::Abandon { .. }
                | Effect::Refuse { .. }
                | Effect::Switched { .. }
                | Effect::Drained => continue,
            });
        }
    }

    /// One event.
    pub fn step(&mut self) {
        let step = Duration::from_micros(match self.rng.below(100) {
            0..70 => self.rng.below(2_000),
            70..97 => self.rng.below(200_000),
            97..99 => self.rng.below(3_000_000),
            _ => self.rng.below(40_000_000),
        });
        self.world.now = self.world.now + step;
        match self.rng.below(1000) {
            0..330 => self.arrive(),
            330..900 => self.answer(),
            900..925 => self.tell(Event::DeadlinePassed),
            925..945 => self.client_leaves(),
            945..955 => self.machine_dies(),
            955..960 => {
                let package = PackageId(self.rng.below(PACKAGES) as u32);
                self.code_changed(package);
            }
            960..963 => self.tell(Event::MemoryPressure),
            963..966 => {
                let limits = node(&mut self.rng);
                self.tell(Event::LimitsChanged { limits });
            }
            966..967 => {
                let package = PackageId(self.rng.below(PACKAGES) as u32);
                self.tell(Event::PackageRemoved { package });
                self.code_changed(package);
            }
            967..972 => {
                let function = FunctionId(self.rng.below(FUNCTIONS * PACKAGES + 1) as u32);
                self.tell(Event::ForceCold { function });
            }
            972..977 => {
                let function = FunctionId(self.rng.below(FUNCTIONS * PACKAGES + 1) as u32);
                let instances = self.rng.below(4) as u32;
                self.tell(Event::Prewarm {
                    function,
                    instances,
                });
            }
            _ => self.nonsense(),
        }
    }

    fn arrive(&mut self) {
        // A few functions get most requests.
        let function = self.rng.below(FUNCTIONS * PACKAGES + 1);
        let function = if self.rng.chance(60) {
            function / 3
        } else {
            function
        };
        self.next_request += 1;
        self.tell(Event::RequestArrived {
            request: RequestId(self.next_request),
            function: FunctionId(function as u32),
        });
    }

    fn code_changed(&mut self, package: PackageId) {
        let code = CodeHash(self.rng.below(4));
        let rebuilt = self.rng.chance(10);
        self.tell(Event::CodeChanged {
            package,
            code,
            rebuilt,
        });
    }

    fn answer(&mut self) {
        if self.owed.is_empty() {
            return self.arrive();
        }
        let at = self.rng.below(self.owed.len() as u64) as usize;
        let owed = self.owed.swap_remove(at);
        // The part that performs effects may break down and never answer.
        let silent = self.silent;
        if !matches!(owed, Owed::Respond(..)) && self.rng.chance(silent) {
            return;
        }
        let fails = self.failing;
        let failed = self.rng.chance(fails);
        self.settle_debt(owed, failed);
    }

    fn settle_debt(&mut self, owed: Owed, failed: bool) {
        let event = match owed {
            Owed::Boot(instance) if failed => Event::StartFailed { instance },
            Owed::Boot(instance) => Event::InstanceBooted { instance },
            Owed::Prime(instance, code) if failed => {
                if self.rng.chance(50) {
                    let package = self.package_of(instance);
                    let functions = self.functions(package, 100);
                    self.tell(Event::Primed {
                        instance,
                        code,
                        functions,
                    });
                }
                Event::InstanceDied { instance }
            }
            Owed::Prime(instance, code) => {
                let package = self.package_of(instance);
                let functions = self.functions(package, self.failing);
                Event::Primed {
                    instance,
                    code,
                    functions,
                }
            }
            Owed::Assign(instance) if failed => Event::AssignFailed { instance },
            Owed::Assign(instance) => Event::Assigned { instance },
            Owed::Pause(instance) => Event::Paused { instance },
            Owed::Resume(instance) => Event::Resumed { instance },
            Owed::Stop(instance) => Event::InstanceStopped { instance },
            Owed::Release(request, instance) => {
                if !self.world.machines.contains_key(&instance) {
                    return;
                }
                if failed {
                    Event::RequestFailed {
                        request,
                        retry: Retry::Once,
                    }
                } else {
                    Event::Released { request }
                }
            }
            Owed::Respond(request, instance) => {
                let alive = self.world.machines.contains_key(&instance);
                if failed || !alive {
                    let retry = [Retry::No, Retry::Once, Retry::Free][self.rng.below(3) as usize];
                    if self.world.requests.get(&request) == Some(&Standing::Running(instance)) {
                        self.tell(Event::RequestFailed { request, retry });
                        // A request that was put back waits, or runs elsewhere already.
                        return self.after_failure(request, instance);
                    }
                    return;
                }
                if self.rng.chance(30) {
                    self.owed.push(Owed::Respond(request, instance));
                    Event::ResponseStarted { request }
                } else {
                    Event::ResponseFinished { request }
                }
            }
        };
        self.tell(event);
    }

    fn after_failure(&mut self, request: RequestId, instance: InstanceId) {
        let standing = self.world.requests.get_mut(&request);
        if let Some(standing) = standing
            && *standing == Standing::Running(instance)
        {
            *standing = Standing::Waiting;
        }
    }

    fn package_of(&self, instance: InstanceId) -> PackageId {
        let machine = self.world.machines.get(&instance);
        machine
            .and_then(|machine| machine.package)
            .unwrap_or(PackageId(0))
    }

    fn functions(&mut self, package: PackageId, broken: u64) -> Vec<FunctionSpec> {
        let first = u64::from(package.0) * FUNCTIONS;
        let mut functions = Vec::new();
        for function in first..first + FUNCTIONS {
            if self.rng.chance(95) {
                functions.push(FunctionSpec {
                    function: FunctionId(function as u32),
                    limits: function_limits(&mut self.rng),
                    broken: self.rng.chance(broken),
                });
            }
        }
        functions
    }

    fn client_leaves(&mut self) {
        let from = self.next_request.saturating_sub(40);
        let request = RequestId(from + self.rng.below(41));
        let standing = self.world.requests.get(&request).copied();
        if let Some(Standing::Running(instance)) = standing {
            let is_it = |owed: &Owed| matches!(owed, Owed::Respond(other, _) if *other == request);
            self.owed.retain(|owed| !is_it(owed));
            // Some never let go of their instance.
            if self.rng.chance(80) {
                self.owed.push(Owed::Release(request, instance));
            }
        }
        self.tell(Event::ClientGone { request });
    }

    fn machine_dies(&mut self) {
        let count = self.world.machines.len() as u64;
        let at = self.rng.below(count) as usize;
        if let Some(&instance) = self.world.machines.keys().nth(at) {
            self.tell(Event::InstanceDied { instance });
        }
    }

    /// Something that does not fit, about things that may or may not exist. Never anything that
    /// would break the driver's promises about what really lives.
    fn nonsense(&mut self) {
        let request = RequestId(self.rng.below(self.next_request + 5));
        let ended = !matches!(
            self.world.requests.get(&request),
            Some(Standing::Running(_) | Standing::Waiting)
        );
        let instance = InstanceId(self.rng.below(5000));
        let lives = self.world.machines.contains_key(&instance);
        let code = CodeHash(self.rng.below(4));
        let event = match self.rng.below(12) {
            0 if ended => Event::ResponseFinished { request },
            1 if ended => Event::RequestFailed {
                request,
                retry: Retry::Once,
            },
            2 if ended => Event::Released { request },
            3 if ended => Event::ResponseStarted { request },
            4 if !lives => Event::InstanceBooted { instance },
            5 if !lives => Event::Assigned { instance },
            6 if !lives => Event::Resumed { instance },
            7 if !lives => Event::InstanceDied { instance },
            8 if !lives => Event::Primed {
                instance,
                code,
                functions: Vec::new(),
            },
            9 => Event::PackageRemoved {
                package: PackageId(77),
            },
            10 => Event::InstanceStopped { instance },
            _ if !lives => Event::Paused { instance },
            _ => Event::DeadlinePassed,
        };
        self.tell(event);
    }

    /// Lets time pass until the next deadline. Returns `false` if there is none.
    pub fn pass_deadline(&mut self) -> bool {
        let Some(next) = self.world.node.next_deadline() else {
            return false;
        };
        self.world.now = self.world.now.max(next);
        self.tell(Event::DeadlinePassed);
        true
    }

    /// Answers what is owed, and what is asked for because of that, and so on.
    pub fn answer_everything(&mut self) {
        let mut answers = 0;
        while let Some(owed) = self.owed.pop() {
            self.settle_debt(owed, false);
            answers += 1;
            assert!(
                answers < 100_000,
                "it never rests: {:#?}",
                self.world.node.view(self.world.now)
            );
        }
    }

    /// Answers everything, drains, and sees everything end.
    pub fn live_on(&mut self) {
        self.failing = 0;
        self.silent = 0;
        self.tell(Event::Drain);
        let mut rounds = 0;
        while !self.world.counts.contains_key("Drained") {
            rounds += 1;
            assert!(
                rounds < 100_000,
                "it never drains: {:#?}",
                self.world.node.view(self.world.now)
            );
            if let Some(owed) = self.owed.pop() {
                self.settle_debt(owed, false);
            } else if !self.pass_deadline() {
                panic!("stuck: {:#?}", self.world.node);
            }
        }
        let open = self
            .world
            .requests
            .iter()
            .find(|(_, standing)| **standing != Standing::Ended);
        assert_eq!(open, None, "a request never ended");
        let view = self.world.node.view(self.world.now);
        assert_eq!(
            (view.memory_promised_mib, view.instances, view.requests),
            (0, 0, 0)
        );
    }
}

fn node(rng: &mut Rng) -> NodeLimits {
    NodeLimits {
        memory_mib: rng.pick(&[512, 1024, 2048, 4096]),
        max_instances: rng.pick(&[4, 8, 20]),
        rps: Some(rng.pick(&[5, 500])).filter(|&rps| rps == 5),
        burst: Some(rng.pick(&[0, 3])).filter(|&burst| burst > 0),
        over_rate: over_rate(rng),
        parallel_starts: rng.pick(&[1, 2, 4]),
        parallel_refills: rng.pick(&[1, 2]),
        spares: rng.pick(&[0, 1, 2]),
        spare_memory_mib: rng.pick(&[128, 256]),
    }
}

fn function_limits(rng: &mut Rng) -> FunctionLimits {
    let max_instances = rng.pick(&[1, 3, 10]);
    let pause_after = Duration::from_millis(u64::from(rng.pick(&[0, 50, 1000])));
    FunctionLimits {
        timeout: Duration::from_millis(u64::from(rng.pick(&[100, 2000, 15_000]))),
        memory_mib: rng.pick(&[128, 128, 256]),
        concurrency: rng.pick(&[1, 1, 3]),
        min_instances: rng.pick(&[0, 0, 0, 1]).min(max_instances),
        max_instances,
        rps: Some(rng.pick(&[0, 2])).filter(|&rps| rps > 0),
        burst: Some(rng.pick(&[0, 1, 9])).filter(|&burst| burst > 0),
        over_rate: over_rate(rng),
        start_rate: Some(rng.pick(&[0, 0, 3])).filter(|&rate| rate > 0),
        queue: rng.pick(&[0, 2, 20]),
        queue_timeout: Duration::from_millis(u64::from(rng.pick(&[0, 300, 5000]))),
        queue_starts: rng.pick(&[0, 0, 350]),
        excess: if rng.chance(30) {
            Excess::Throttle
        } else {
            Excess::Unavailable
        },
        pause_after,
        stop_after: pause_after + Duration::from_millis(u64::from(rng.pick(&[0, 500, 20_000]))),
    }
}

fn over_rate(rng: &mut Rng) -> OverRate {
    if rng.chance(50) {
        OverRate::Queue
    } else {
        OverRate::Refuse
    }
}
