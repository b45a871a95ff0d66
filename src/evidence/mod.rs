//! What happened: records, their chain, signed checkpoints, verification and export.
//!
//! An **intent** is durable before a call leaves and an **outcome** before its answer does. Records are
//! linked by SHA-256 ([`chain`]) and committed to by signed checkpoints of a Merkle tree (RFC 6962) whose
//! leaves are the records' bytes, so [`Verifier`] and software that is not ours can check a copy offline.
//! Deliberately absent: I/O (the store does it) and anything that could change a record once it is written.

mod call;
mod chain;
mod checkpoint;
mod consistency;
mod delivery;
mod export;
mod feed;
mod governance;
mod hold;
mod inclusion;
mod journal;
mod merkle;
mod proof;
mod read;
mod record;
mod seal;
mod signing;
pub mod tiles;
mod verify;

pub use call::{Arguments, Called, Caller, Denial, How, Inquiry, Intent, Listing, Outcome, Subscription};
pub use chain::{GENESIS, Head, chain};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use consistency::{Bridge, consistent};
pub use delivery::{Delivery, DeliveryEvent};
pub use export::{ExportError, Index, Line, Pruned, Row};
pub use feed::Feed;
pub use governance::{
    Aborted, Alarm, AlarmKind, CatalogChange, CatalogEvent, Freeze, KeyChange, KeyEvent, Lifecycle, PilotChange,
    PolicyChange, PolicyEvent, Recovered, Start, Stop, Watching,
};
pub use hold::{Hold, HoldAsk, HoldChange, HoldEvent, HoldState};
pub use inclusion::{Prover, includes};
pub use journal::{Journal, JournalError, Position};
pub use merkle::{Tree, leaf};
pub use proof::{GrowthProof, ProofError, RecordProof};
pub use read::{Read, Readers, Surface};
pub use record::{ENTRY, Record, Summary};
pub use seal::{SEALED_PLAINTEXT, SealError, Sealed, Sealer};
pub use signing::{KeyError, SigningKey, VerifyingKey};
pub use verify::{Breach, Report, Verifier};

#[cfg(test)]
mod tests;
