//! Removes records of traffic whose time is over: each hour, and when a person asks.
//!
//! What goes stands under a signed checkpoint that the tiles and all copies hold, and everybody who reads the journal has
//! read it: a destination that is stuck holds it back, and a person hears of that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use tokio::sync::Mutex;

use super::{background::alarm, house::House, replay::CURSOR, tiles};
use crate::{
    api::{ApiError, RetentionOperations, RetentionView},
    config::Settings,
    delivery::LEARNT,
    evidence::{
        AlarmKind, Checkpoint, Feed as _, JournalError,
        tiles::{Place, TILE, TileName},
    },
    store::{Gone, Prune},
};

/// Between two turns of the background.
const PACE: Duration = Duration::from_secs(3_600);
/// After a turn that failed: tiles that wait for witnesses have a newer checkpoint by then.
const RETRY: Duration = Duration::from_secs(60);
/// Turns in a row that may fail before a person hears of it, and between two lines of the log about them.
const FAILURES: u32 = 10;
/// Until the first turn: everybody who reads the journal has begun.
const FIRST: Duration = Duration::from_secs(90);
/// Transactions of one turn.
const BATCHES: usize = 40;
/// Between two of them, for the calls.
const BREATH: Duration = Duration::from_millis(20);
/// How long a turn waits until the log of the database is emptied.
const SCRUB: Duration = Duration::from_secs(3);
/// Between two alarms about the same.
const AGAIN: Duration = Duration::from_secs(24 * 3_600);
/// Records of one bundle of the tiles.
const BUNDLE: u64 = TILE as u64;
/// Records that are counted at once.
const COUNT: u64 = 20_000;
/// Records that a dry run counts.
const COUNTED: u64 = 2_000_000;

/// How long records of traffic are kept.
pub(super) struct Retaining {
    days: Option<u32>,
    /// The newest records stay for whoever learns from them at the start what is usual.
    learns: bool,
    turn: Mutex<Turn>,
}

#[derive(Default)]
struct Turn {
    /// Bundles of all that was removed are gone too: of what an earlier process removed, and of what a turn removed that
    /// did not end well.
    swept: bool,
    /// Whether a person can do something about what holds records back.
    stuck: bool,
    told: Option<Instant>,
}

impl Retaining {
    pub(super) fn new(settings: &Settings) -> Self {
        let learns = settings.alerts.unusual.is_some();
        Self { days: settings.evidence.traffic_days, learns, turn: Mutex::default() }
    }
}

/// Works for as long as the gateway runs, if a time is set.
pub(super) async fn run(house: Arc<House>) {
    if house.retention.days.is_none() {
        return;
    }
    tokio::time::sleep(FIRST).await;
    let mut failures = Failures::default();
    loop {
        let pause = match house.prune("postern", false).await {
            Ok(view) => {
                failures = Failures::default();
                if view.removed > 0 {
                    tracing::info!(removed = view.removed, through = view.through, "records of traffic were removed");
                }
                if view.more { Duration::from_secs(1) } else { PACE }
            }
            Err(error) => {
                let (log, tell) = failures.another();
                if log {
                    tracing::warn!(?error, "records of traffic whose time is over are not removed yet");
                }
                if tell {
                    let detail = format!("records of traffic whose time is over are not removed: {}", error.message);
                    house.held_back(&mut *house.retention.turn.lock().await, detail).await;
                }
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Turns that failed one after the other.
#[derive(Debug, Default)]
struct Failures(u32);

impl Failures {
    /// One more; whether the log says so, and whether a person is to hear of it.
    const fn another(&mut self) -> (bool, bool) {
        self.0 = self.0.saturating_add(1);
        (self.0 % FAILURES == 1, self.0 >= FAILURES)
    }
}

/// The last record that everybody has read, and who holds back what comes behind it.
struct Floor {
    seq: u64,
    who: String,
    /// Whether a person can do something about it.
    stuck: bool,
}

impl Floor {
    fn lower(&mut self, seq: u64, who: impl FnOnce() -> String) {
        if seq < self.seq {
            (self.seq, self.who, self.stuck) = (seq, who(), true);
        }
    }
}

impl House {
    /// The floor, and the checkpoint under which it stands.
    async fn floor(&self) -> Result<(Floor, String), ApiError> {
        let note = tiles::read(&self.tiles, |folder| folder.checkpoint()).await?;
        let note = note.ok_or_else(|| ApiError::conflict("the tiles hold no checkpoint yet; nothing is removed"))?;
        let signed = Checkpoint::read(&note).map_err(|error| ApiError::unavailable(error.to_string()))?;
        let mut floor = Floor { seq: signed.size, who: "the tiles".to_owned(), stuck: true };
        let Some(copies) = &self.copies else {
            return Err(ApiError::conflict("the store is behind a copy of its checkpoints; nothing is removed"));
        };
        if let Some((size, place)) = copies.least().await {
            floor.lower(size, || format!("the copy of the checkpoint `{place}`"));
        }
        floor.lower(*self.shadowed.borrow(), || "the shadow of calls (`shadow.evaluate`)".to_owned());
        let exports = self.exports.iter().map(|one| one.progress.name().to_owned());
        let webhooks = self.webhooks.iter().map(|one| one.progress.name().to_owned());
        let traces = self.telemetry.is_on().then(|| CURSOR.to_owned());
        for name in exports.chain(webhooks).chain(traces) {
            let read = self.store.cursor(&name).await.map_err(unread)?;
            floor.lower(read.unwrap_or_default(), || format!("`{name}`, which has not taken them"));
        }
        for dead in self.webhooks.iter().filter_map(|one| one.hook.dead().into_iter().next()) {
            let who = || format!("a dead letter of the webhook `{}`; see `postern alerts dead`", dead.destination);
            floor.lower(dead.record.saturating_sub(1), who);
        }
        if self.retention.learns {
            let read = self.store.cursor("anomalies").await.map_err(unread)?.unwrap_or_default();
            let before = floor.seq;
            floor
                .lower(read.saturating_sub(LEARNT), || format!("`alerts.unusual`, which learns from {LEARNT} records"));
            floor.stuck &= floor.seq == before;
        }
        Ok((floor, note))
    }

    async fn retained(
        &self,
        (days, by): (u32, &str),
        dry_run: bool,
        turn: &mut Turn,
    ) -> Result<RetentionView, ApiError> {
        let before = self.clock.now() - TimeDelta::days(days.into());
        let old = self.store.first_since(before).await.map_err(unread)?.saturating_sub(1) / BUNDLE * BUNDLE;
        let gone = self.store.gone().await.map_err(unread)?.unwrap_or_default();
        let swept = turn.swept;
        if !dry_run {
            self.sweep(&gone, turn).await?;
        }
        let (floor, checkpoint) = self.floor().await?;
        let through = (floor.seq / BUNDLE * BUNDLE).min(old).max(gone.through);
        let held = through < old && self.store.traffic(through, old.min(through + COUNT)).await.map_err(unread)? > 0;
        turn.stuck = held && floor.stuck;
        let held = held.then_some(floor.who);
        let mut view = RetentionView { days, dry_run, removed: 0, through, held, more: false, scrubbed: true };
        if dry_run {
            self.count(gone.through, &mut view).await?;
        } else {
            view.through = gone.through;
            // Whatever ends this turn too early, also a caller who went away: the next one looks at all bundles.
            turn.swept = false;
            self.remove(&Prune { before, days, checkpoint, floor: floor.seq, actor: by.to_owned() }, &mut view).await?;
            // What an earlier turn gave up waiting for may have been kept after this one looked; by now it is.
            let gone = self.store.gone().await.map_err(unread)?.unwrap_or_default();
            turn.swept = swept;
            self.sweep(&gone, turn).await?;
        }
        view.scrubbed = self.store.is_scrubbed();
        Ok(view)
    }

    /// What a turn would remove, at most.
    async fn count(&self, gone: u64, view: &mut RetentionView) -> Result<(), ApiError> {
        let mut at = gone;
        while at < view.through && at - gone < COUNTED {
            let to = (at + COUNT).min(view.through);
            view.removed += self.store.traffic(at, to).await.map_err(unread)?;
            at = to;
        }
        view.more = at < view.through;
        Ok(())
    }

    async fn remove(&self, asked: &Prune, view: &mut RetentionView) -> Result<(), ApiError> {
        view.more = true;
        for _ in 0..BATCHES {
            let Some(said) = self.store.prune(asked.clone()).await.map_err(unread)? else {
                view.more = false;
                break;
            };
            view.removed += said.count;
            view.through = said.through;
            self.forget(said.from / BUNDLE, said.through / BUNDLE).await?;
            tokio::time::sleep(BREATH).await;
        }
        let begun = Instant::now();
        while !self.store.is_scrubbed() && begun.elapsed() < SCRUB {
            tokio::time::sleep(BREATH).await;
        }
        Ok(())
    }

    /// What ended between the journal and the tiles left bundles of what was removed.
    async fn sweep(&self, gone: &Gone, turn: &mut Turn) -> Result<(), ApiError> {
        if !turn.swept {
            self.forget(0, gone.through / BUNDLE).await?;
            turn.swept = true;
        }
        Ok(())
    }

    /// A person hears of it, once a day.
    async fn held_back(&self, turn: &mut Turn, detail: String) {
        if turn.told.is_none_or(|told| told.elapsed() >= AGAIN) {
            turn.told = Some(Instant::now());
            alarm(self, AlarmKind::RetentionHeld, None, detail).await;
        }
    }

    async fn forget(&self, first: u64, behind: u64) -> Result<(), ApiError> {
        tiles::read(&self.tiles, move |folder| folder.forget(first..behind)).await
    }

    /// The answer for a tile that is not there: one whose records were removed is told apart.
    pub(super) async fn is_gone(&self, name: &TileName) -> Result<Option<Vec<u8>>, ApiError> {
        let gone = self.store.gone().await.map_err(unread)?.unwrap_or_default();
        if name.place != Place::Entries || name.index >= gone.through / BUNDLE {
            return Ok(None);
        }
        let at = gone.at.format("%Y-%m-%dT%H:%M:%SZ");
        let by = gone.by;
        let why = format!("records of this bundle were removed when their time was over, by {at}; record {by} says so");
        Err(ApiError::gone(why))
    }
}

#[async_trait]
impl RetentionOperations for House {
    async fn prune(&self, by: &str, dry_run: bool) -> Result<RetentionView, ApiError> {
        let none = "no time is set after which records go; see `evidence.retention` in postern.yaml";
        let days = self.retention.days.ok_or_else(|| ApiError::conflict(none))?;
        if self.clock.is_suspect() {
            return Err(ApiError::conflict("the clock is behind what was seen; nothing is removed until it is right"));
        }
        let mut turn = self.retention.turn.lock().await;
        let view = self.retained((days, by), dry_run, &mut turn).await?;
        if let Some(who) = view.held.as_ref().filter(|_| turn.stuck && !dry_run) {
            let detail = format!("records of traffic older than {days} days are held back by {who}");
            self.held_back(&mut turn, detail).await;
        }
        Ok(view)
    }
}

/// The answer when records cannot be read, or are there no more.
pub(super) fn unread(error: JournalError) -> ApiError {
    match error {
        JournalError::Removed { .. } => ApiError::gone(error.to_string()),
        JournalError::Unavailable(_) | JournalError::TooLarge { .. } | JournalError::Unreadable => {
            ApiError::unavailable(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_that_fail_in_a_row_reach_a_person_and_the_first_one_the_log() {
        let mut failures = Failures::default();
        let told: Vec<(bool, bool)> = (0..12).map(|_| failures.another()).collect();
        assert_eq!((told[0], told[1], told[8]), ((true, false), (false, false), (false, false)));
        assert_eq!((told[9], told[10], told[11]), ((false, true), (true, true), (false, true)));
    }
}
