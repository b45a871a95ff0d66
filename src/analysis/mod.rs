//! What would be otherwise: recorded calls, judged again in another world.
//!
//! A [`RecordedCall`] is a decision of the past with what it was made of. A [`World`] is a policy set with the
//! exceptions that could be used at each moment ([`Timeline`]), less some, and with others besides. From the two come
//! [`Replay`] (what changes, from what to what), [`Submission`] (what the approver of an exception should know),
//! [`RemovalStudy`] (what would break without one) and [`Graduation`] (the role that takes over from one). Each answer
//! says how complete it is: what could not be judged is counted, with why.
//!
//! Deliberately absent: I/O (records come through [`RecordedCalls`]), and any way to put something in force.

mod gain;
mod graduation;
mod recorded;
mod removal;
mod replay;
mod role;
mod shadow;
mod simulate;
mod stand;
mod submission;
#[cfg(test)]
mod tests;
mod timeline;
mod walk;
mod world;

pub use gain::{Gain, MemberGain};
pub use graduation::{Graduated, Graduation};
pub use recorded::{RecordedCall, Unjudged};
pub use removal::{Loss, RemovalReport, RemovalStudy};
pub use replay::{Replay, Replayed};
pub use role::Role;
pub use shadow::{ShadowVerdict, Shadowed};
pub use simulate::Simulation;
pub use stand::{Change, Changes, Completeness, Stand};
pub use submission::{Admits, Analysis, Guardrail, Implied, Sprawl, Submission};
pub use timeline::Timeline;
pub use walk::{Begin, Filter, Page, ReadError, RecordedCalls, Study, walk};
pub use world::{Registries, World};
