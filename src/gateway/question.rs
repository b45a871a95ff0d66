//! What tool servers ask of agents: only what the client can do and policy lets them ask (T036).

use std::sync::Arc;

use serde_json::Value;

use super::{Gateway, visit::Visit};
use crate::{
    catalog::Uri,
    domain::{Effect, ServerName},
    mcp::{Capabilities, Feature, InputMethod, InputRequest},
    policy::Deed,
};

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
        Arc::new(declared.only(|feature| match feature {
            Feature::Elicitation => self.may(visit, &Deed::Elicit(server)),
            Feature::Sampling => self.may(visit, &Deed::Sample(server)),
            Feature::Roots => self.may(visit, &Deed::Roots(server)),
            Feature::Tasks => tasks,
        }))
    }

    /// Whether the server may ask this; the sentence says why not.
    pub(super) fn question(&self, visit: &Visit, server: &ServerName, request: &InputRequest) -> Result<(), String> {
        let deed = match request.method {
            InputMethod::Elicit => return self.elicitation(visit, server, request),
            InputMethod::Sample => Deed::Sample(server),
            InputMethod::ListRoots => Deed::Roots(server),
        };
        if self.may(visit, &deed) { Ok(()) } else { Err(format!("{} is not permitted", request.method.as_str())) }
    }

    fn elicitation(&self, visit: &Visit, server: &ServerName, request: &InputRequest) -> Result<(), String> {
        let params: Value =
            request.params.as_deref().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        match params.get("mode").and_then(Value::as_str).unwrap_or("form") {
            "form" if self.may(visit, &Deed::Elicit(server)) => Ok(()),
            "url" => {
                let url = params.get("url").and_then(Value::as_str).unwrap_or_default();
                let url =
                    Uri::parse(url).map_err(|fault| format!("the URL of an elicitation is not taken: {fault}"))?;
                if url.scheme() != "https" && url.scheme() != "http" {
                    return Err("the URL of an elicitation is no page of the web".to_owned());
                }
                if self.may(visit, &Deed::ElicitUrl(server, &url)) {
                    return Ok(());
                }
                Err(format!("an elicitation by a page of `{}` is not permitted", url.host()))
            }
            _ => Err("elicitation/create is not permitted".to_owned()),
        }
    }

    fn may(&self, visit: &Visit, deed: &Deed<'_>) -> bool {
        visit.world.policies.allows(&visit.subject, deed, visit.now).effect == Effect::Allow
    }
}
