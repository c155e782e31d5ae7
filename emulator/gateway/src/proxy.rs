//! A request's way through an instance.

use std::rc::Rc;
use std::time::{Duration, Instant as Clock};

use fnlocal_api::{Cold, Timing};
use fnlocal_core::StartKind;
use http::{HeaderMap, HeaderValue, Response};

use super::Gateway;
use super::access_log::AccessRecord;
use super::body::ResponseBody;
use super::headers::{self, Provenance};
use super::invocation::{Answered, FunctionInvocation};
use super::outgoing::OutgoingRequest;
use super::relay::{Relay, relay};
use fnlocal_driver::{Dispatched, Function};

impl Gateway {
    pub(super) async fn forward(
        self: &Rc<Self>,
        mut outgoing: OutgoingRequest,
        request_id: HeaderValue,
        function: Rc<Function>,
        mut record: AccessRecord,
    ) -> Response<ResponseBody> {
        if let Err(problem) = self.arrive_whole(&mut outgoing, &function).await {
            return self.refuse(record, &problem);
        }
        record.route("local");
        let trace = outgoing.trace(self.driver.logs().sends_spans());
        let invocation = FunctionInvocation {
            driver: &self.driver,
            function: &function,
            name: record.name(),
            span: record.span().clone(),
        };
        let asks = |to: &Dispatched| record.dispatched(to, trace);
        match invocation.answer(&mut outgoing, asks).await {
            Ok(answered) => self.pass_on(&function, answered, outgoing, &request_id, record),
            Err(no_answer) => {
                outgoing.turn_away();
                let problem = no_answer.problem(&self.driver, &function).await;
                self.refuse(record, &problem)
            }
        }
    }

    fn pass_on(
        &self,
        function: &Function,
        answered: Answered,
        outgoing: OutgoingRequest,
        request_id: &HeaderValue,
        mut record: AccessRecord,
    ) -> Response<ResponseBody> {
        let to = answered.to;
        let body = answered.arrived.duration_since(record.began());
        let timing = Timing {
            body: outgoing.sent.as_ref().map_or(Duration::ZERO, |_| body),
            ..answered.timing
        };
        let cold = self.cold(function, &to, answered.arrived);
        record.timing(timing, cold);
        record.head(answered.response.status(), Some(to.start));
        let provenance = Provenance {
            request_id,
            start: to.start,
            cold,
            instance: &to.instance.id_header,
            code: to.instance.code_header(),
            node: &self.node,
            timing,
        };
        let passed = Relay {
            lease: answered.lease,
            outgoing,
            record,
            limit: function.settings.response_limit,
            idle_timeout: self.options.idle_timeout,
            cut: &self.cut,
        };
        let add = |headers: &mut HeaderMap| headers::to_client(headers, provenance);
        relay(answered.response, passed, add)
    }

    /// Returns what a cold start was for: the first request of a function, or more than it could
    /// take. `None` for other starts.
    fn cold(&self, function: &Function, to: &Dispatched, arrived: Clock) -> Option<Cold> {
        if to.start != StartKind::Cold {
            return None;
        }
        let id = to.instance.id;
        Some(if self.driver.served_before(function.id, arrived, id) {
            Cold::ScaleOut
        } else {
            Cold::First
        })
    }
}
