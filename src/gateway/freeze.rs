//! The kill switch on the road: before the decision, and again when a result has come.

use super::{Gateway, refuse::Refusal, visit::Visit};
use crate::{
    catalog::{Tool, ToolCall},
    domain::{Reach, Reason, ServerName},
    mcp::server::Request,
    policy::Permit,
};
use std::sync::Arc;

impl Visit {
    /// What a request touches that no exception admits, or of which that is not known yet.
    pub(super) fn reach<'a>(&'a self, server: &'a ServerName) -> Reach<'a> {
        Reach { agent: &self.subject.agent, server: Some(server), exception: None, pilot: None }
    }

    /// What a call touches that was permitted.
    pub(super) fn reach_of<'a>(&'a self, permit: &'a Permit) -> Reach<'a> {
        Reach {
            exception: permit.grant().map(|grant| &grant.exception),
            pilot: permit.grant().and_then(|grant| grant.pilot.as_ref()),
            ..self.reach(&permit.call().tool().reference.server)
        }
    }
}

impl Gateway {
    /// The reason, if anything of the request is frozen now.
    pub(super) fn frozen(&self, request: &Reach<'_>) -> Option<Reason> {
        self.parts.admission.is_frozen(request).then_some(Reason::Frozen)
    }

    /// Before any policy is asked: agent and server.
    pub(super) fn thaw(&self, visit: &Visit, call: &ToolCall, request: &Request) -> Result<(), Box<Refusal>> {
        let tool: &Arc<Tool> = call.tool();
        match self.frozen(&visit.reach(&tool.reference.server)) {
            Some(reason) => Err(Box::new(Refusal::frozen(visit.refusal(reason), tool, request))),
            None => Ok(()),
        }
    }
}
