//! The record of an instance that has ended.

use std::rc::Rc;

use fnlocal_core::{Event, InstanceId};
use fnlocal_logs::Record;
use fnlocal_runtime::End;

use crate::{Driver, Instance};

impl Driver {
    pub(crate) fn forget_instance(&self, id: InstanceId) -> Option<Rc<Instance>> {
        let instance = self.instances.borrow_mut().remove(&id);
        if let Some(instance) = &instance {
            instance.close();
        }
        instance
    }

    pub(crate) fn exited(self: &Rc<Self>, id: InstanceId, end: End) {
        let Some(instance) = self.forget_instance(id) else {
            return;
        };
        tracing::info!(instance = %id, reason = end.reason, outside = end.outside, "died");
        let last_line = instance.exit_line().or_else(|| instance.last_lines().pop());
        // The reason itself may be shown to clients; what was thrown is for the log.
        let crash = instance.crash().filter(|_| !end.outside);
        let reason = match crash {
            Some(crash) => format!("{}: {}", end.reason, crash.brief()),
            None => end.reason.clone(),
        };
        self.logs.send(Record::Died {
            function: instance.function_name(),
            instance: id,
            node: self.node(),
            reason,
            code: instance.code_text(),
            last_line: last_line.map(|line| self.as_shown(&instance, &line)),
        });
        instance.set_end(end);
        self.handle(Event::InstanceDied { instance: id });
    }
}
