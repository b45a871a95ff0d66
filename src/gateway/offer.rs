//! What a scope offers to a subject, for the capabilities that the endpoint declares.

use serde_json::value::RawValue;

use super::Gateway;
use crate::{
    catalog::Features,
    domain::{ServerName, Subject},
    mcp::server::{Offer, Scope},
};

impl Gateway {
    /// The union of what the servers offer that the subject may reach. Tools are always offered.
    pub(super) fn offered(&self, subject: &Subject, scope: &Scope) -> Offer {
        let world = self.parts.world.load();
        let within = |server: &ServerName| match scope {
            Scope::All => world.policies.may_reach(subject, server),
            Scope::Server(one) => one == server,
        };
        let mut offer = Offer::default();
        for (_, features) in world.features.iter().filter(|(server, _)| within(server)) {
            add(&mut offer, features);
        }
        offer
    }

    /// Servers of the scope that have never said what they offer, though the subject might see something of them.
    pub(super) fn missing(&self, subject: &Subject, scope: &Scope) -> Vec<ServerName> {
        let world = self.parts.world.load();
        let within = |server: &ServerName| match scope {
            Scope::All => true,
            Scope::Server(one) => one == server,
        };
        let silent = self.parts.servers.iter().filter(|server| within(server) && !world.features.contains_key(*server));
        silent.filter(|server| world.policies.may_reach(subject, server)).cloned().collect()
    }
}

fn add(offer: &mut Offer, features: &Features) {
    offer.prompts |= features.prompts;
    offer.resources |= features.resources;
    offer.subscribe |= features.subscribe;
    offer.completions |= features.completions;
    offer.logging |= features.logging;
    for (name, settings) in &features.extensions {
        let known = offer.extensions.iter().any(|(known, _)| known == name);
        if let (false, Ok(settings)) = (known, RawValue::from_string(settings.to_string())) {
            offer.extensions.push((name.clone(), settings));
        }
    }
}
