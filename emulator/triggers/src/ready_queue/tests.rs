//! Any order of things that may happen to a line.

use proptest::prelude::*;

use super::*;

fn head(id: u64, order: Option<u8>, due_ms: u64) -> JobMeta {
    JobMeta {
        id: JobId(id),
        function: "f".to_owned(),
        trigger: Trigger::Async,
        path: "/f".to_owned(),
        headers: Vec::new(),
        size: 0,
        order: order.map(|order| order.to_string()),
        key: None,
        accepted_ms: id,
        due_ms,
        attempts: 0,
        error: None,
        died_ms: None,
        max_age_ms: Some(1000),
    }
}

/// A step of the test.
#[derive(Clone, Debug)]
enum Step {
    Add(Option<u8>, u64),
    Take,
    /// Ends one of the running jobs, with the time of its next run, if any.
    End(usize, Option<u64>),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (proptest::option::of(0u8..3), 0u64..20).prop_map(|(key, in_ms)| Step::Add(key, in_ms)),
        4 => Just(Step::Take),
        3 => (0usize..8, proptest::option::of(0u64..20)).prop_map(|(which, again)| Step::End(which, again)),
        1 => (1u64..10).prop_map(Step::Pass),
    ]
}

/// The jobs as a list would keep them.
#[derive(Default)]
struct Model {
    line: ReadyQueue,
    orders: BTreeMap<JobId, Option<u8>>,
    running: Vec<JobId>,
    now: u64,
    next: u64,
}

impl Model {
    fn take(&mut self) -> Option<JobId> {
        self.line.wake(self.now);
        let id = self.line.take("f")?;
        let order = self.orders[&id];
        assert!(!self.running.contains(&id), "no job runs twice at once");
        if order.is_some() {
            let same = |other: &&JobId| self.orders[*other] == order;
            assert!(
                !self.running.iter().any(|other| same(&other)),
                "one of a key"
            );
            let oldest = self.orders.keys().find(same);
            assert_eq!(oldest, Some(&id), "in the order of acceptance");
        }
        self.running.push(id);
        Some(id)
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::Add(order, in_ms) => {
                self.next += 1;
                let head = head(self.next, order, self.now + in_ms);
                self.orders.insert(head.id, order);
                self.line.add(&head, self.now);
            }
            Step::Take => drop(self.take()),
            Step::End(which, again) if !self.running.is_empty() => {
                let id = self.running.remove(which % self.running.len());
                self.line.ended(id);
                match again {
                    Some(in_ms) => self.line.put_back(id, self.now + in_ms, self.now),
                    None => {
                        self.line.remove(id);
                        self.orders.remove(&id);
                    }
                }
            }
            Step::End(..) => {}
            Step::Pass(ms) => self.now += ms,
        }
        assert_eq!(self.line.len(), self.orders.len());
        assert_eq!(self.line.running_of("f"), self.running.len());
        let counts = self.line.counts().remove("f").unwrap_or_default();
        assert_eq!(counts.running, self.running.len());
        let all = counts.ready + counts.waiting + counts.running;
        assert_eq!(all, self.orders.len());
        let bytes = self.line.bytes();
        assert_eq!(bytes, self.line.bytes_of("f"));
        assert_eq!(bytes == 0, self.orders.is_empty());
    }
}

proptest! {
    #[test]
    fn every_job_runs_to_completion_and_jobs_of_one_key_run_in_order(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut model = Model::default();
        for step in steps {
            model.perform(step);
        }
        // From here on all ends well, so nothing may stay.
        while !model.orders.is_empty() {
            while model.take().is_some() {}
            if model.running.is_empty() {
                let due = model.line.next_due();
                prop_assert!(due.is_some_and(|due| due > model.now), "stuck");
                model.now = due.unwrap_or_default();
            }
            while !model.running.is_empty() {
                model.perform(Step::End(0, None));
            }
        }
        prop_assert!(model.line.ready().is_empty() && model.line.next_due().is_none());
    }
}
