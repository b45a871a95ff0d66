//! SQLite behind the ports of the rooms; one transaction where one is needed.
//!
//! One thread writes. It takes what waits, does it in one transaction, and answers after the commit; who waits
//! longer than the bound is refused, and a record that became durable after that is marked as aborted. When a
//! transaction fails, what was in memory is thrown away and the tables are opened, verified and read again, while
//! everything is refused. Other connections only read.

mod admit;
mod calls;
mod charged;
mod copy;
mod exceptions;
mod feed;
mod folder;
mod freezes;
mod growth;
mod holds;
mod inspect;
mod job;
mod keyring;
mod keys;
mod ledger;
mod load;
mod log_key;
mod open;
mod pilots;
mod pins;
mod prune;
mod rotate;
mod schema;
mod shadow;
mod shred;
mod since;
#[expect(clippy::module_inception, reason = "the room's main thing has the room's name")]
mod store;
mod tiles;
mod vault;
mod writer;

pub use copy::{Copied, CopyError, Leaf};
pub use folder::FolderError;
pub use growth::WITNESSED;
pub use holds::Answer;
pub use holds::HoldError;
pub use inspect::{Against, Inspection};
pub use keyring::{Keyring, KeyringError};
pub use load::LoadError;
pub use log_key::LogKey;
pub use open::{Durability, OpenError, Recovery, Settings};
pub use prune::{Gone, Prune};
pub use rotate::{Rotation, replace_lost_key};
pub use schema::SchemaError;
pub use shadow::ShadowRow;
pub use since::Since;
pub use store::Store;
pub use tiles::{NEWEST, TileFolder, TileWriter, TilesError};

#[cfg(test)]
mod tests;
