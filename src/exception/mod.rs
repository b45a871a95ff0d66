//! The authorization exception: its record, its life, and the index that decisions ask.
//!
//! - A **record** is a document ([`parse`]) that becomes a [`Spec`]: immutable, with a digest that approvers sign.
//! - Its **life** is a list of [`Event`]s, kept behind [`ExceptionStore`] and folded into an [`Exception`]. The clock
//!   needs no event: a window that is over, a word that is overdue and a request that nobody decided are seen by
//!   whoever asks at that moment ([`Exception::phase`]).
//! - The **desk** ([`Desk`]) is the only writer: it knows who may do what, and that four roles are different people.
//! - The **index** ([`Index`]) answers decisions without a lock, a job or a read of the store.
//!
//! Deliberately absent: a way back from an end, an approval without a digest, a ceiling that settings can raise.

mod again;
mod answer;
mod approval;
mod ceiling;
mod desk;
mod draft;
mod ends;
mod entry;
mod event;
mod form;
mod guardrail;
mod index;
mod ledger;
mod life;
mod lived;
mod needs;
mod parse;
mod people;
mod pilot;
mod pilot_form;
mod pilots;
mod reminder;
mod request;
mod review;
mod routine;
mod schema;
mod separation;
mod spec;
mod sprawl;
mod state;
mod steward;
#[cfg(test)]
mod tests;
mod trial;
pub use approval::{Approval, SignError, Signer, Verifier};
pub use ceiling::{Ceiling, Period, Review};
pub use desk::{Desk, DeskError, Opening};
pub use draft::{Draft, Refused, Wish};
pub use ends::{Reported, Reporter};
pub use event::{Change, Event, ExceptionStore, StoreError, StoredEvent};
pub use index::Index;
pub use life::{Exception, FoldError, Phase, fold};
pub use lived::Lived;
pub use needs::Need;
pub use parse::{SCHEMA, parse};
pub use pilot::{Pilot, PilotEnd, PilotEvent, PilotExit, PilotPhase, PilotSpec, PilotStore, StoredPilot};
pub use pilot_form::{PILOT_SCHEMA, parse_pilot};
pub use pilots::EndedPilot;
pub use reminder::{Deadline, Notice, Notices};
pub use review::PostReview;
pub use routine::Unneeded;
pub use spec::{
    Access, Attestation, Beneficiary, Category, Control, Deviation, Exit, ExitWay, Milestone, Owner, Removal, Risk,
    Spec, Validation,
};
pub use sprawl::{Live as LiveCounts, SprawlBudget};
pub use state::{Ending, Hold, Live, State, TransitionError};
pub use trial::{RemovalTest, TestResult, Trial, Tried};
