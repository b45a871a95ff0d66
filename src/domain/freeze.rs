//! The kill switch: what is frozen, by scope.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{AgentId, ExceptionId, PilotId, ServerName, Timestamp};

/// How far a freeze reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreezeScope {
    /// Everything.
    #[default]
    All,
    /// What this agent asks, whatever allows it.
    Agent(AgentId),
    /// What is asked of this tool server, whatever allows it.
    Server(ServerName),
    /// What an exception of this pilot admits.
    Pilot(PilotId),
    /// What this exception admits.
    Exception(ExceptionId),
}

impl FreezeScope {
    /// Whether it is everything.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The kind of the scope, as metrics have it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Agent(_) => "agent",
            Self::Server(_) => "server",
            Self::Pilot(_) => "pilot",
            Self::Exception(_) => "exception",
        }
    }

    /// All kinds.
    pub const KINDS: [&'static str; 5] = ["all", "agent", "server", "pilot", "exception"];

    /// Whether it reaches this request.
    #[must_use]
    pub fn hits(&self, request: &Reach<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Agent(id) => id == request.agent,
            Self::Server(name) => request.server == Some(name),
            Self::Pilot(id) => request.pilot == Some(id),
            Self::Exception(id) => request.exception == Some(id),
        }
    }
}

impl fmt::Display for FreezeScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("the gateway"),
            Self::Agent(id) => write!(f, "agent {id}"),
            Self::Server(name) => write!(f, "server {name}"),
            Self::Pilot(id) => write!(f, "pilot {id}"),
            Self::Exception(id) => write!(f, "exception {id}"),
        }
    }
}

/// What a request touches; a freeze of any of it stops the request.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// Who asks.
    pub agent: &'a AgentId,
    /// Of which server, once that is known.
    pub server: Option<&'a ServerName>,
    /// Under which exception, if one admits it.
    pub exception: Option<&'a ExceptionId>,
    /// The pilot of that exception.
    pub pilot: Option<&'a PilotId>,
}

/// Who froze something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Since when.
    pub since: Timestamp,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// All that is frozen at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freezes(BTreeMap<FreezeScope, Frozen>);

impl Freezes {
    /// Freezes a scope; one that is frozen keeps its first reason.
    pub fn add(&mut self, scope: FreezeScope, frozen: Frozen) {
        self.0.entry(scope).or_insert(frozen);
    }

    /// Releases a scope.
    pub fn remove(&mut self, scope: &FreezeScope) {
        self.0.remove(scope);
    }

    /// Whether this scope itself is frozen.
    #[must_use]
    pub fn has(&self, scope: &FreezeScope) -> bool {
        self.0.contains_key(scope)
    }

    /// Whether anything of the request is frozen.
    #[must_use]
    pub fn hit(&self, request: &Reach<'_>) -> bool {
        self.0.keys().any(|scope| scope.hits(request))
    }

    /// All of them, the widest first.
    pub fn iter(&self) -> impl Iterator<Item = (&FreezeScope, &Frozen)> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is frozen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T093
    #[test]
    fn a_freeze_reaches_what_it_names_and_nothing_else() {
        let (agent, server) = (AgentId::from("a"), "s".parse().unwrap());
        let (exception, pilot) = ("EX-1".parse().unwrap(), "PI-1".parse().unwrap());
        let reach = Reach { agent: &agent, server: Some(&server), exception: Some(&exception), pilot: Some(&pilot) };
        let role = Reach { exception: None, pilot: None, ..reach };
        let hit = |scope: FreezeScope| (scope.hits(&reach), scope.hits(&role));
        assert_eq!(hit(FreezeScope::All), (true, true));
        assert_eq!(hit(FreezeScope::Agent("a".into())), (true, true));
        assert_eq!(hit(FreezeScope::Agent("b".into())), (false, false));
        assert_eq!(hit(FreezeScope::Server("s".parse().unwrap())), (true, true));
        assert_eq!(hit(FreezeScope::Server("t".parse().unwrap())), (false, false));
        assert_eq!(hit(FreezeScope::Pilot("PI-1".parse().unwrap())), (true, false));
        assert_eq!(hit(FreezeScope::Exception("EX-1".parse().unwrap())), (true, false));
        assert_eq!(hit(FreezeScope::Exception("EX-2".parse().unwrap())), (false, false));
    }
}
