//! The shared nouns and the names of telemetry; no I/O.

pub mod limits;
pub mod names;

mod assurance;
mod digest;
mod document;
mod fault;
mod finding;
mod freeze;
mod grant;
mod id;
mod lease;
mod method;
mod name;
mod network;
mod obligation;
mod principal;
mod registry;
mod secret;
mod time;
mod verdict;

pub use assurance::{Assurance, SignIn, TooWeak};
pub use digest::Digest;
pub use document::Document;
pub use fault::Fault;
pub use finding::{Finding, Findings};
pub use freeze::{FreezeScope, Freezes, Frozen, Reach};
pub use grant::{ArgumentBound, Bound, Budget, Candidate, Grant, Kind, Standing, SuspendReason, Window};
pub use id::{CredentialId, DecisionId, ExceptionId, HoldId, ParseIdError, PilotId, SessionId};
pub use lease::Lease;
pub use method::Method;
pub use name::{ExposedName, NameError, ServerName, ToolName, ToolRef};
pub use network::{Network, ParseNetworkError};
pub use obligation::Obligation;
pub use principal::{AgentId, Credential, CredentialKind, Delegator, GroupName, Person, PersonId, RoleName, Subject};
pub use registry::{AgentEntry, Duty, GroupEntry, PersonEntry, Registry};
pub use secret::Secret;
pub use time::{Clock, Timestamp};
pub use verdict::{Basis, Effect, Reason, Verdict};
