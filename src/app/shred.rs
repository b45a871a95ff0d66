//! Destroys sealing keys: the record first, then the keys.

use std::sync::Arc;

use async_trait::async_trait;

use super::house::House;
use crate::{
    api::{ApiError, ShredOperations, ShredView},
    domain::Person,
    evidence::{Captured, Journal as _, Record, SHREDDED, Shred},
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
        for keys in keys.chunks(SHREDDED) {
            let shred = Shred {
                at,
                actor: actor.clone(),
                reason: reason.clone(),
                before,
                exception: exception.clone(),
                keys: keys.to_vec(),
            };
            let kept = self.store.append(Record::Shred(shred)).await;
            kept.map_err(|error| ApiError::unavailable(format!("nothing is shredded: {error}")))?;
        }
        tracing::warn!(keys = keys.len(), by = %by.id, "sealing keys are destroyed");
        let ids = keys.clone();
        let destroyed = tokio::task::spawn_blocking(move || sealer.shred(&ids, (at, &actor))).await;
        let why = |error: String| {
            ApiError::unavailable(format!(
                "the record is written, but a key is still there: {error}; start the gateway again"
            ))
        };
        destroyed.map_err(|error| why(error.to_string()))?.map_err(why)?;
        Ok(ShredView { at, keys })
    }
}
