//! The requests under way, and only those.

use fnlocal_core::{FunctionId, NodeId, RequestId, StartKind};

/// A request, by its place and by how often the place has been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestTicket(u64);

impl RequestTicket {
    /// Returns the request's id in the core.
    pub(super) const fn id(self) -> RequestId {
        RequestId(self.0)
    }

    /// Of what the core said.
    pub(super) const fn from_id(id: RequestId) -> Self {
        Self(id.0)
    }

    fn place(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct SimulatedRequest {
    /// In microseconds.
    pub(super) arrived: u64,
    pub(super) function: FunctionId,
    /// Where the balancer sent it.
    pub(super) entered: NodeId,
    /// Where it is served.
    pub(super) serves: NodeId,
    /// `true` once the request has reached that node.
    pub(super) there: bool,
    /// The router counts it there.
    pub(super) routed: bool,
    pub(super) start: Option<StartKind>,
    pub(super) instance: u64,
}

/// All of them. Places are used again, tickets never.
#[derive(Debug, Default)]
pub(super) struct RequestTable {
    places: Vec<(u32, Option<SimulatedRequest>)>,
    free: Vec<usize>,
}

impl RequestTable {
    pub(super) fn add(&mut self, request: SimulatedRequest) -> RequestTicket {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len() - 1
        });
        let (uses, place) = &mut self.places[at];
        *uses += 1;
        *place = Some(request);
        RequestTicket(u64::from(*uses) << 32 | at as u64)
    }

    fn place(&mut self, ticket: RequestTicket) -> Option<&mut Option<SimulatedRequest>> {
        let (uses, place) = self.places.get_mut(ticket.place())?;
        (u64::from(*uses) == ticket.0 >> 32).then_some(place)
    }

    pub(super) fn get(&mut self, ticket: RequestTicket) -> Option<&mut SimulatedRequest> {
        self.place(ticket)?.as_mut()
    }

    pub(super) fn end(&mut self, ticket: RequestTicket) -> Option<SimulatedRequest> {
        let request = self.place(ticket)?.take()?;
        self.free.push(ticket.place());
        Some(request)
    }

    /// Those that are on a node, or on their way through it.
    pub(super) fn on_node(&self, node: NodeId) -> Vec<(RequestTicket, SimulatedRequest)> {
        let places = self.places.iter().enumerate();
        let open = places.filter_map(|(at, (uses, place))| {
            let ticket = RequestTicket(u64::from(*uses) << 32 | at as u64);
            place.map(|request| (ticket, request))
        });
        open.filter(|(_, one)| one.entered == node || one.serves == node)
            .collect()
    }

    pub(super) fn open(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_reused_and_stale_tickets_are_rejected() {
        let request = SimulatedRequest {
            arrived: 1,
            function: FunctionId(0),
            entered: NodeId(1),
            serves: NodeId(1),
            there: false,
            routed: false,
            start: None,
            instance: 0,
        };
        let mut requests = RequestTable::default();
        let first = requests.add(request);
        assert!(requests.end(first).is_some());
        let second = requests.add(request);
        assert_eq!(requests.open(), 1);
        assert_eq!(requests.places.len(), 1);
        assert_ne!(first.id(), second.id());
        assert!(requests.get(first).is_none() && requests.end(first).is_none());
        assert!(requests.get(second).is_some());
    }
}
