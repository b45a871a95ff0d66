//! Step 2: from a name and raw arguments to a checked call, or a refusal.

use std::sync::Arc;

use super::{Gateway, refuse::Refusal, round::Round, visit::Visit};
use crate::{
    catalog::{Tool, ToolCall},
    domain::{Candidate, Reason},
    mcp::{
        Mirrors,
        server::{Request, Scope},
    },
    policy::Visibility,
};

impl Gateway {
    /// A tool that is not there and one that this subject does not see answer alike, before the arguments are
    /// looked at (T066).
    pub(super) fn resolve(&self, visit: &Visit, request: &Request) -> Result<(ToolCall, Vec<Candidate>), Box<Refusal>> {
        let unknown = || Box::new(Refusal::unknown(visit.refusal(Reason::UnknownTool)));
        let tool = named(visit, request).ok_or_else(unknown)?;
        let suspect = self.parts.clock.is_suspect();
        let candidates = self.parts.exceptions.candidates(&visit.subject.agent, &tool.reference, visit.now, suspect);
        if visit.world.policies.visibility(&visit.subject, tool, &candidates, visit.now) == Visibility::Hidden {
            return Err(unknown());
        }
        let arguments = request.arguments.as_deref();
        let mirrors = Mirrors::of(&tool.input_schema).unwrap_or_default();
        if let Err(fault) = request.mirrored.check(&mirrors, arguments) {
            return Err(Box::new(Refusal::header(visit.refusal(Reason::InvalidArguments), tool, fault)));
        }
        let passthrough = request.members.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let call = ToolCall::check(Arc::clone(tool), arguments, passthrough)
            .map_err(|error| Box::new(Refusal::arguments(visit.refusal(Reason::InvalidArguments), tool, &error)))?;
        Ok((call, candidates))
    }
}

impl Gateway {
    /// Which round of the call this is.
    pub(super) fn round_of(&self, visit: &Visit, call: &ToolCall, request: &Request) -> Result<Round, Box<Refusal>> {
        let foreign = |fault| Box::new(Refusal::state(visit.refusal(Reason::InvalidArguments), call.tool(), fault));
        let what = format!("{} {}", call.tool().reference, call.digest());
        let round = self.round(visit, &what, request.input.as_ref()).map_err(foreign)?;
        self.spend(visit, &round).map_err(foreign)?;
        Ok(round)
    }
}

fn named<'a>(visit: &'a Visit, request: &Request) -> Option<&'a Arc<Tool>> {
    let catalog = &visit.world.catalog;
    match &request.scope {
        Scope::All => catalog.tool(&request.target.parse().ok()?),
        Scope::Server(server) => catalog.tool_at(server, &request.target.parse().ok()?),
    }
}
