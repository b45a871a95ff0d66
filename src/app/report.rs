//! Reports, added up from the journal page by page; what was read once is not read again.

use std::collections::BTreeMap;

use tokio::sync::MutexGuard;

use super::{house::House, view};
use crate::{
    api::ApiError,
    domain::ExceptionId,
    report::{Register, RegisterRow, Scope, Sprawl, Tally},
};

/// Records of one page.
const PAGE: usize = 1_000;
/// Exceptions of one page; as many again may be submitted while it is read.
const EXCEPTION_PAGE: usize = 500;
/// Exceptions of one report.
const EXCEPTIONS: usize = 20_000;

impl House {
    pub(super) async fn registered(&self) -> Result<Register, ApiError> {
        let tally = self.read_on().await?;
        self.register_of(&tally).await
    }

    pub(super) async fn measured(&self, days: u32) -> Result<Sprawl, ApiError> {
        let tally = self.read_on().await?;
        let register = self.register_of(&tally).await?;
        let analysis = self.needless(&register).await?;
        let health = self.controls.health(self.clock.now());
        let health: BTreeMap<_, _> = health.into_iter().map(|one| (one.id.to_owned(), one.healthy)).collect();
        Ok(Sprawl::of(&register, &tally, Scope { days, health: Some(&health), analysis: Some(&analysis) }))
    }

    /// Reads what was written since the last report.
    async fn read_on(&self) -> Result<MutexGuard<'_, Tally>, ApiError> {
        let mut tally = self.tally.lock().await;
        loop {
            let rows = self.store.rows(tally.next(), PAGE).await;
            let rows = rows.map_err(|error| ApiError::unavailable(error.to_string()))?;
            rows.iter().for_each(|row| tally.row(row));
            if rows.len() < PAGE {
                return Ok(tally);
            }
        }
    }

    async fn register_of(&self, tally: &Tally) -> Result<Register, ApiError> {
        let now = self.clock.now();
        let ids: Vec<&ExceptionId> = tally.submitted().collect();
        let mut rows = BTreeMap::new();
        let mut after = None;
        for page in ids.chunks(EXCEPTION_PAGE).take(EXCEPTIONS / EXCEPTION_PAGE) {
            let found = self.desk.list(after, 2 * EXCEPTION_PAGE).await.map_err(view::desk_error)?;
            let found = found.iter().map(|one| (one.id.clone(), RegisterRow::of(one, tally, now)));
            rows.extend(found.filter(|(id, _)| page.binary_search(&id).is_ok()));
            after = page.last().copied();
        }
        Ok(Register::of(rows.into_values().collect(), tally, now, ids.len() <= EXCEPTIONS))
    }
}
