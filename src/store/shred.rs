//! The record of a shredding, and the end of what waits for a person who could not see it any more.

use super::{
    Store, holds,
    job::{Done, Unavailable},
    ledger::Ledger,
    store::Terms,
};
use crate::evidence::{JournalError, Record, Shred};

impl Store {
    /// Writes these records, all of them or none, and voids the open holds whose arguments these keys sealed.
    ///
    /// # Errors
    /// The store did not say in time that they are durable; they may be all the same.
    pub async fn shred(&self, shreds: Vec<Shred>) -> Result<(), JournalError> {
        let work = move |ledger: &mut Ledger| {
            for shred in shreds {
                holds::shredded(ledger, &shred)?;
                ledger.tell(&Record::Shred(shred))?;
            }
            Ok(Done::plain(()))
        };
        self.ask(Terms::PATIENT, work).await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }
}
