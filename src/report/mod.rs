//! Reports on exceptions: the register, the measures of sprawl, bundles of evidence and the map to standards.
//!
//! Everything that is counted is read from the journal, row by row ([`Tally`]), and nothing is remembered that the
//! journal does not say. The room writes no record and decides nothing; who asks for a report brings the rows.

mod csv;
mod page;
mod plot;
mod register;
mod sprawl;
mod tally;

pub use register::{Register, RegisterRow, ReviewState};
pub use sprawl::{Age, Analysis, Attestations, DayRow, Extensions, Probes, Removals, Revocations, Scope, Sprawl};
pub use tally::{Day, Facts, Tally};
