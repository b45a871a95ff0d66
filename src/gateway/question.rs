//! What tool servers ask of agents: only what the client can do and policy lets them ask (T036).

use std::sync::Arc;

use bytes::Bytes;

use super::{Gateway, visit::Visit};
use crate::{
    catalog::Uri,
    domain::{Effect, ServerName, Subject, Timestamp},
    mcp::{Capabilities, Elicitation, Feature, InputMethod, InputRequest},
    policy::{Deed, PolicySet},
};

/// Who would be asked, what its client declared, and what is in force.
pub(super) struct Asked<'a> {
    pub(super) policies: &'a PolicySet,
    pub(super) subject: &'a Subject,
    pub(super) capabilities: &'a Capabilities,
    pub(super) now: Timestamp,
}

impl Gateway {
    /// The capabilities of the client that the server may know of: those that it could use.
    pub(super) fn capabilities(
        &self,
        visit: &Visit,
        server: &ServerName,
        (declared, tasks): (&Arc<Capabilities>, bool),
    ) -> Arc<Capabilities> {
        if declared.is_empty() {
            return Arc::clone(declared);
        }
        let asked = visit.asked();
        let forms = asked.may(&Deed::Elicit(server));
        // Which pages are permitted is judged when they are known.
        let pages = visit.world.policies.may_send(&visit.subject, server);
        Arc::new(declared.eliciting(forms, pages).only(|feature| match feature {
            Feature::Elicitation => forms || pages,
            Feature::Sampling => asked.may(&Deed::Sample(server)),
            Feature::Roots => asked.may(&Deed::Roots(server)),
            Feature::Tasks => tasks,
        }))
    }
}

impl Visit {
    /// The caller, as servers may ask it.
    pub(super) fn asked(&self) -> Asked<'_> {
        let Self { world, subject, capabilities, now, .. } = self;
        Asked { policies: &world.policies, subject, capabilities, now: *now }
    }
}

impl Asked<'_> {
    /// Whether the server may ask all of this.
    ///
    /// # Errors
    /// The sentence says why not.
    pub(super) fn by_round(&self, server: &ServerName, requests: &[InputRequest]) -> Result<(), String> {
        requests.iter().try_for_each(|one| self.question(server, one))
    }

    /// Whether the server may ask what it asks in what it says of a task.
    ///
    /// # Errors
    /// The sentence says why not.
    pub(super) fn by_task(&self, server: &ServerName, task: &Bytes) -> Result<(), String> {
        let requests = std::str::from_utf8(task).ok().and_then(|task| InputRequest::of_task(task).ok());
        self.by_round(server, &requests.ok_or("what is said of a task cannot be read")?)
    }

    fn question(&self, server: &ServerName, request: &InputRequest) -> Result<(), String> {
        let method = request.method.as_str();
        if !request.is_declared(self.capabilities) {
            return Err(format!("the client did not declare that it takes this `{method}`"));
        }
        let deed = match request.method {
            InputMethod::Elicit => return self.elicitation(server, request),
            InputMethod::Sample => Deed::Sample(server),
            InputMethod::ListRoots => Deed::Roots(server),
        };
        if self.may(&deed) { Ok(()) } else { Err(format!("{method} is not permitted")) }
    }

    fn elicitation(&self, server: &ServerName, request: &InputRequest) -> Result<(), String> {
        match request.elicitation() {
            Some(Elicitation::Form) if self.may(&Deed::Elicit(server)) => Ok(()),
            Some(Elicitation::Url(url)) => {
                let url =
                    Uri::parse(&url).map_err(|fault| format!("the URL of an elicitation is not taken: {fault}"))?;
                if url.scheme() != "https" && url.scheme() != "http" {
                    return Err("the URL of an elicitation is no page of the web".to_owned());
                }
                if self.may(&Deed::ElicitUrl(server, &url)) {
                    return Ok(());
                }
                Err(format!("an elicitation by a page of `{}` is not permitted", url.host()))
            }
            Some(Elicitation::Form) | None => Err("elicitation/create is not permitted".to_owned()),
        }
    }

    fn may(&self, deed: &Deed<'_>) -> bool {
        self.policies.allows(self.subject, deed, self.now).effect == Effect::Allow
    }
}
