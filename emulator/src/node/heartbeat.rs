//! Asks every other node every second for its status. A node that does not answer gets no requests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Neighbour;
use super::membership::{PeerStatus, PeerTable};
use super::state::TICK;
use fnlocal_driver::RequestBody;
use fnlocal_gateway::peers::{FORWARDED, Link, Peers};

/// Where a node says how it stands, on its peers' port.
pub(super) const PATH: &str = "/_fnlocal/peer";
/// For an answer: with [`TICK`] less than two seconds, after which a node that is gone is left.
const ANSWER: Duration = Duration::from_millis(800);
/// The maximum size of an answer in bytes: functions by the thousand.
const LARGEST: usize = 1 << 20;

/// Asks those who are neighbours at the time. Runs until dropped.
pub(super) async fn listen(
    company: Rc<PeerTable>,
    mut neighbours: watch::Receiver<Vec<Neighbour>>,
) {
    let mut asking = JoinSet::new();
    let mut asked: BTreeMap<String, (Neighbour, AbortHandle)> = BTreeMap::new();
    let mut leaving: BTreeMap<String, AbortHandle> = BTreeMap::new();
    loop {
        let now = neighbours.borrow_and_update().clone();
        if !now.is_empty() {
            company.told_of(now.iter().map(|one| one.name.as_str()));
        }
        asked.retain(|name, (known, task)| {
            let stays = now.contains(known);
            if !stays {
                task.abort();
                let last = see_off(Rc::clone(&company), known.clone());
                leaving.insert(name.clone(), asking.spawn_local(last));
            }
            stays
        });
        leaving.retain(|_, task| !task.is_finished());
        for one in now {
            if asked.contains_key(&one.name) || company.is(&one.name) {
                continue;
            }
            if let Some(task) = leaving.remove(&one.name) {
                task.abort();
            }
            let task = asking.spawn_local(ask_on(Rc::clone(&company), one.clone()));
            asked.insert(one.name.clone(), (one, task));
        }
        if neighbours.changed().await.is_err() {
            // No sender is left; the known peers still count.
            std::future::pending::<Infallible>().await;
        }
        while asking.try_join_next().is_some() {}
    }
}

async fn ask_on(company: Rc<PeerTable>, one: Neighbour) {
    let link = Link::new(one.address);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match timeout(ANSWER, ask(&link, company.token())).await {
            // Another machine may have been given the address.
            Ok(Some(said)) if said.node == one.name => company.heard(one.address, said),
            _ => {
                company.silent(&one.name);
            }
        }
    }
}

/// Asks one that is no neighbour any more until it has nothing to do that only one node may: it may
/// learn later than this node that it ends.
async fn see_off(company: Rc<PeerTable>, one: Neighbour) {
    let link = Link::new(one.address);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    company.leaves(&one.name);
    let mut there = true;
    while there {
        tick.tick().await;
        there = match timeout(ANSWER, ask(&link, company.token())).await {
            Ok(Some(said)) if said.node == one.name => company.shuts(said),
            _ => company.silent(&one.name),
        };
    }
}

async fn ask(link: &Link, token: &HeaderValue) -> Option<PeerStatus> {
    let mut request = Request::new(RequestBody::Empty);
    *request.uri_mut() = http::Uri::from_static(PATH);
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("peer"));
    headers.insert(FORWARDED, token.clone());
    let (response, connection) = link.send(request).await.ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let body: Bytes = Limited::new(response.into_body(), LARGEST)
        .collect()
        .await
        .ok()?
        .to_bytes();
    link.put(connection);
    serde_json::from_slice(&body).ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::super::ownership::Duties;
    use super::*;

    #[tokio::test]
    async fn a_peer_that_does_not_answer_heartbeats_is_removed_from_routing_within_two_seconds() {
        let local = LocalSet::new();
        local.run_until(left()).await;
    }

    async fn left() {
        // Connections are taken by the system, and nobody reads them.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let one = Neighbour {
            name: "i-2".to_owned(),
            address: silent.local_addr().unwrap(),
        };
        let company = PeerTable::new("i-1", "0f").unwrap();
        let said = PeerStatus {
            node: one.name.clone(),
            open: true,
            bears: 8,
            functions: BTreeMap::new(),
            duties: Duties::default(),
        };
        company.heard(one.address, said);
        assert_eq!(company.others(), 1);
        let (_told, neighbours) = watch::channel(vec![one]);
        let listening = spawn_local(listen(Rc::clone(&company), neighbours));
        let left = async {
            while company.others() > 0 {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(2), left).await.unwrap();
        listening.abort();
    }
}
