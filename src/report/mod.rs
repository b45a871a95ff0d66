//! Reports on exceptions: the register, the measures of sprawl, bundles of evidence and the map to standards.
//!
//! Everything that is counted is read from the journal, row by row ([`Tally`]), and nothing is remembered that the
//! journal does not say. The room writes no record and decides nothing; who asks for a report brings the rows.
//! A **bundle** ([`Bundle`]) holds all records of one exception, each with the proof that it stands under a signed
//! checkpoint, so that [`verify`] and software that is not ours can check it offline.

mod bundle;
mod csv;
mod holdings;
mod members;
mod page;
mod plot;
mod readme;
mod register;
mod sprawl;
mod standards;
mod tally;
mod tar;
mod verify;
mod views;

pub use bundle::{Bundle, BundleError, Rows};
pub use holdings::Holdings;
pub use register::{Register, RegisterRow, ReviewState};
pub use sprawl::{Age, Analysis, Attestations, DayRow, Extensions, Probes, Removals, Revocations, Scope, Sprawl};
pub use standards::{Alias, Control, Evidence, Framework, Mapped, Standards, StandardsError};
pub use tally::{Day, Facts, Gone, Tally};
pub use tar::pack;
pub use verify::{Fault, Proven, Verification, verify};

#[cfg(test)]
mod tests;
