//! The state of the screen, and how keys change it.

use std::collections::{BTreeMap, VecDeque};

use fnlocal_core::view::InstancesView;
use fnlocal_project::Running;
use ratatui::crossterm::event::KeyCode;

use super::stream::{ShownQuantiles, ShownRecord, ShownState, StreamEvent};

/// Records kept: more than any screen has lines.
const MAX_KEPT_RECORDS: usize = 500;
/// Looks kept: half a minute's, a column each.
const RATES: usize = 120;
/// Looks over which a rate is taken: a second's.
const WINDOW: usize = 4;

/// A function over all nodes.
#[derive(Clone, Debug)]
pub struct FunctionRow {
    /// Its name.
    pub name: String,
    /// Requests a second.
    pub rate: f64,
    /// Of the last second.
    pub latency: Option<ShownQuantiles>,
    /// By state.
    pub instances: InstancesView,
    /// Requests that wait.
    pub queued: u32,
    /// Requests that ended.
    pub requests: u64,
    /// Those of them with a status of 500 or more.
    pub failed: u64,
    /// Its code cannot be imported.
    pub broken: bool,
}

/// Sums over all nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct FleetTotals {
    /// Requests a second.
    pub rate: f64,
    /// Instances of all kinds.
    pub instances: u32,
    /// Requests that wait.
    pub queued: u32,
    /// Memory promised, in MiB.
    pub promised_mib: u64,
    /// Of so much.
    pub memory_mib: u64,
    /// Nodes that serve.
    pub nodes: usize,
}

/// By what functions are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// Their names.
    Name,
    /// Requests a second.
    Rate,
    /// The 99th percentile.
    P99,
    /// Requests that failed.
    Failed,
}

/// The content below the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// The last requests.
    Requests,
    /// The last lines.
    Lines,
}

/// A look: when in ms, and requests so far by function.
type Look = (u64, BTreeMap<String, u64>);

/// The state of the screen.
pub struct Model {
    /// Where it runs, for people.
    pub place: String,
    /// Of all, as ordered.
    pub functions: Vec<FunctionRow>,
    pub totals: FleetTotals,
    /// Of all, of the last second.
    pub latency: Option<ShownQuantiles>,
    /// Requests a second, the newest last.
    pub rates: VecDeque<u64>,
    /// The newest last.
    pub records: VecDeque<ShownRecord>,
    /// The index of the selected function.
    pub at: usize,
    /// Records of the chosen function only.
    pub only: bool,
    /// The content below.
    pub below: Below,
    /// By what functions are in order.
    pub order: SortOrder,
    /// Nothing moves.
    pub still: bool,
    /// A word to the person.
    pub said: Option<String>,
    looks: VecDeque<Look>,
}

impl Model {
    /// Of a running fnlocal, before it told anything.
    pub fn new(running: &Running) -> Self {
        Self {
            place: format!("{}  {}", running.url, running.runtime),
            functions: Vec::new(),
            totals: FleetTotals::default(),
            latency: None,
            rates: VecDeque::new(),
            records: VecDeque::new(),
            at: 0,
            only: false,
            below: Below::Requests,
            order: SortOrder::Name,
            still: false,
            said: None,
            looks: VecDeque::new(),
        }
    }

    /// Takes an event of the stream.
    pub fn take(&mut self, told: StreamEvent) {
        match told {
            StreamEvent::State(state) if !self.still => self.state(&state),
            StreamEvent::Records(records) if !self.still => {
                self.records.extend(records.records);
                let over = self.records.len().saturating_sub(MAX_KEPT_RECORDS);
                self.records.drain(..over);
            }
            _ => {}
        }
    }

    /// Records that the stream has ended.
    pub fn lost(&mut self) {
        self.looks.clear();
        self.say("it does not answer any more; waiting for it to come back");
    }

    /// Says something to the person, until the next key.
    pub fn say(&mut self, text: &str) {
        self.said = Some(text.to_owned());
    }

    /// The function that is chosen.
    pub fn chosen(&self) -> Option<String> {
        self.functions.get(self.at).map(|one| one.name.clone())
    }

    /// Applies a key.
    pub fn key(&mut self, key: KeyCode) {
        self.said = None;
        let last = self.functions.len().saturating_sub(1);
        match key {
            KeyCode::Up | KeyCode::Char('k') => self.at = self.at.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.at = (self.at + 1).min(last),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = last,
            KeyCode::Enter => self.only = !self.only,
            KeyCode::Char(' ') => self.still = !self.still,
            KeyCode::Char('l') => {
                self.below = match self.below {
                    Below::Requests => Below::Lines,
                    Below::Lines => Below::Requests,
                }
            }
            KeyCode::Char('s') => {
                self.order = match self.order {
                    SortOrder::Name => SortOrder::Rate,
                    SortOrder::Rate => SortOrder::P99,
                    SortOrder::P99 => SortOrder::Failed,
                    SortOrder::Failed => SortOrder::Name,
                };
                self.sort();
            }
            _ => {}
        }
    }

    fn state(&mut self, state: &ShownState) {
        let (mut functions, mut totals) = (
            BTreeMap::<String, FunctionRow>::new(),
            FleetTotals::default(),
        );
        for node in state.nodes.values() {
            let Some(picture) = &node.picture else {
                continue;
            };
            totals.nodes += usize::from(node.stage == "serving");
            totals.instances += picture.node.instances;
            totals.promised_mib += picture.node.memory_promised_mib;
            totals.memory_mib += u64::from(picture.node.limits.memory_mib);
            for (name, view) in picture.named() {
                let one = functions
                    .entry(name.to_owned())
                    .or_insert_with(|| FunctionRow {
                        name: name.to_owned(),
                        rate: 0.0,
                        latency: state.latency.get(name).copied(),
                        instances: InstancesView::default(),
                        queued: 0,
                        requests: 0,
                        failed: 0,
                        broken: false,
                    });
                one.queued += view.queued;
                one.broken |= view.broken;
                one.instances += view.instances;
                totals.queued += view.queued;
            }
        }
        let there = state
            .nodes
            .values()
            .filter_map(|node| node.picture.as_ref());
        let there = there.flat_map(|picture| &picture.requests);
        let gone = state.fleet.iter().flat_map(|fleet| &fleet.ended);
        for count in there.chain(gone) {
            let one = count.function.as_deref();
            if let Some(one) = one.and_then(|name| functions.get_mut(name)) {
                one.requests += count.requests;
                one.failed += u64::from(count.status >= 500) * count.requests;
            }
        }
        self.rate(state.at, &mut functions);
        totals.rate = functions.values().map(|one| one.rate).sum();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate of requests"
        )]
        self.rates.push_back(totals.rate.round() as u64);
        if self.rates.len() > RATES {
            self.rates.pop_front();
        }
        self.totals = totals;
        self.latency = state.latency.get("").copied();
        self.functions = functions.into_values().collect();
        self.sort();
    }

    fn rate(&mut self, at: u64, functions: &mut BTreeMap<String, FunctionRow>) {
        if let Some((then, before)) = self.looks.front() {
            #[allow(clippy::cast_precision_loss, reason = "milliseconds of a second or so")]
            let seconds = at.saturating_sub(*then).max(1) as f64 / 1000.0;
            for one in functions.values_mut() {
                let more = before.get(&one.name).copied().unwrap_or(0);
                #[allow(clippy::cast_precision_loss, reason = "requests of a second or so")]
                let more = one.requests.saturating_sub(more) as f64;
                one.rate = more / seconds;
            }
        }
        let counts = functions
            .iter()
            .map(|(name, one)| (name.clone(), one.requests));
        self.looks.push_back((at, counts.collect()));
        if self.looks.len() > WINDOW {
            self.looks.pop_front();
        }
    }

    /// Puts the functions in order; the one chosen stays chosen.
    fn sort(&mut self) {
        let chosen = self.chosen();
        self.functions.sort_by(|a, b| {
            let slow = |one: &FunctionRow| one.latency.map_or(0.0, |latency| latency.p99);
            let by = match self.order {
                SortOrder::Name => std::cmp::Ordering::Equal,
                SortOrder::Rate => b.rate.total_cmp(&a.rate),
                SortOrder::P99 => slow(b).total_cmp(&slow(a)),
                SortOrder::Failed => b.failed.cmp(&a.failed),
            };
            by.then_with(|| a.name.cmp(&b.name))
        });
        let found = chosen.and_then(|name| self.functions.iter().position(|one| one.name == name));
        self.at = found
            .unwrap_or(self.at)
            .min(self.functions.len().saturating_sub(1));
    }
}
