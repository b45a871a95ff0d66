//! Who reads evidence is on record before it is answered.

use std::sync::Arc;

use async_trait::async_trait;

use super::house::House;
use crate::{
    api::{ApiError, Looked, ReadOperations},
    domain::Person,
    evidence::{Journal, Read},
};

#[async_trait]
impl ReadOperations for House {
    async fn note_read(&self, by: &Arc<Person>, looked: Looked) -> Result<(), ApiError> {
        self.read_noted(Some(by), looked).await
    }
}

impl House {
    /// The same for the console, whose session may be nobody's.
    pub(super) async fn read_noted(&self, by: Option<&Person>, looked: Looked) -> Result<(), ApiError> {
        let Looked { surface, exception, decision, what, count } = looked;
        let by = by.map(|person| person.id.clone());
        let read = Read { at: self.clock.now(), by, surface, exception, decision, what, count, more: 0 };
        let journal: &dyn Journal = self.store.as_ref();
        self.readers.note(journal, read).await.map_err(|error| {
            tracing::error!(%error, "a read of evidence is refused: it cannot be put on record");
            ApiError::audit_unavailable()
        })
    }
}
