//! Destroys sealing keys: the record first, then the keys.

use std::sync::Arc;

use async_trait::async_trait;

use super::house::House;
use crate::{
    api::{ApiError, ShredOperations, ShredView},
    domain::Person,
    evidence::{Captured, SHREDDED, Shred},
};

#[async_trait]
impl ShredOperations for House {
    async fn shred(&self, by: &Arc<Person>, captured: Captured, reason: String) -> Result<ShredView, ApiError> {
        let at = self.clock.now();
        let (before, exception) = match &captured {
            Captured::Before(day) if *day > at.date_naive() => {
                return Err(ApiError::invalid(format!("{day} is not here yet; today is {}", at.date_naive())));
            }
            Captured::Before(day) => (Some(*day), None),
            Captured::Under(id) => (None, Some(id.clone())),
        };
        let sealer = Arc::clone(&self.store.keyring().sealer);
        let keys = sealer.of(&captured);
        if keys.is_empty() {
            return Err(ApiError::conflict(
                "there is no key of that: nothing was captured so, or it is shredded already",
            ));
        }
        let actor = by.id.to_string();
        let shred = |keys: &[String]| Shred {
            at,
            actor: actor.clone(),
            reason: reason.clone(),
            before,
            exception: exception.clone(),
            keys: keys.to_vec(),
        };
        let shreds: Vec<Shred> = keys.chunks(SHREDDED).map(shred).collect();
        let (store, ids) = (Arc::clone(&self.store), keys.clone());
        // Whoever asked may be gone meanwhile; what is on record is done all the same.
        let done = tokio::spawn(async move {
            store.shred(shreds).await.map_err(|error| format!("it may be on record; ask again: {error}"))?;
            tracing::warn!(keys = ids.len(), by = actor, "sealing keys are destroyed");
            let destroyed = tokio::task::spawn_blocking(move || sealer.shred(&ids, (at, &actor))).await;
            let why = |error| format!("it is on record, but a key is still there: {error}; start the gateway again");
            destroyed.map_err(|error| why(error.to_string()))?.map_err(why)
        });
        done.await.map_err(|error| error.to_string()).flatten().map_err(ApiError::unavailable)?;
        Ok(ShredView { at, keys })
    }
}
