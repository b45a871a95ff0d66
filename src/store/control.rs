//! Freeze and policy epoch: what admission checks beside the exception.

use super::{
    Store,
    job::{Done, Unavailable},
    ledger::Entry,
    store::Terms,
};
use crate::{
    domain::Digest,
    evidence::{Freeze, JournalError, PolicyChange, PolicyEvent, Position, Record},
};

impl Store {
    /// Freezes the gateway, or releases it; from the return on no call is admitted while it is frozen (T093).
    ///
    /// # Errors
    /// The store cannot be written now.
    pub async fn set_frozen(&self, freeze: Freeze) -> Result<Position, JournalError> {
        let frozen = freeze.frozen;
        let entry = Entry::of(&Record::Freeze(freeze))?;
        let work = self.ask(Terms::PATIENT, move |ledger| {
            ledger.set("frozen", i64::from(frozen))?;
            ledger.memory.frozen = frozen;
            Ok(Done::plain(ledger.append(&entry)?))
        });
        work.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }

    /// Records a change of the policies. If they were loaded, calls that were decided under another epoch than
    /// this one are refused as stale from the return on; publish the new set after it.
    ///
    /// # Errors
    /// The store cannot be written now.
    pub async fn policy(&self, change: PolicyChange) -> Result<Position, JournalError> {
        let epoch = (change.event == PolicyEvent::Loaded).then_some(change.epoch);
        let entry = Entry::of(&Record::Policy(change))?;
        let work = self.ask(Terms::PATIENT, move |ledger| {
            if let Some(epoch) = epoch {
                ledger.set("epoch", epoch.cast_signed())?;
                ledger.memory.epoch = epoch;
            }
            Ok(Done::plain(ledger.append(&entry)?))
        });
        work.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }

    /// The bundle from which this policy set was compiled: the one that the record of its loading names.
    ///
    /// # Errors
    /// The store cannot be read now.
    pub async fn bundle_of(&self, policy_set: Digest) -> Result<Option<Vec<u8>>, JournalError> {
        let sql = "SELECT payload FROM journal WHERE kind = 'policy' ORDER BY seq DESC";
        let read = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            query.query_map([], |row| row.get::<_, Vec<u8>>(0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        let payloads = read.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))?;
        let loaded = payloads.iter().find_map(|payload| match serde_json::from_slice(payload) {
            Ok(Record::Policy(change)) if change.event == PolicyEvent::Loaded && change.digest == policy_set => change.detail.parse().ok(),
            Ok(_) | Err(_) => None,
        });
        match loaded {
            Some(digest) => self.get_bundle(digest).await,
            None => Ok(None),
        }
    }
}
