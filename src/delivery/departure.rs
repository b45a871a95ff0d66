//! Takes the newest checkpoint off the machine, again and again: what is older is of no interest, so nothing is queued.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{backoff::Backoff, follow::Setback, standing::Standing};
use crate::evidence::{Checkpoint, CheckpointError};

/// Pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest that a receiver may ask to be left alone.
const ASKED: Duration = Duration::from_secs(300);
/// For the last one, when the gateway stops.
const LAST: Duration = Duration::from_secs(5);

/// A checkpoint on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The signed note.
    pub note: Arc<str>,
    /// The log's name.
    pub origin: String,
    /// What it says.
    pub signed: Checkpoint,
}

impl Parcel {
    /// The checkpoint in this note.
    ///
    /// # Errors
    /// It is no checkpoint.
    pub fn new(note: &Arc<str>) -> Result<Self, CheckpointError> {
        let origin = note.lines().next().unwrap_or_default().to_owned();
        Ok(Self { note: Arc::clone(note), origin, signed: Checkpoint::read(note)? })
    }
}

/// The way to one receiver.
#[async_trait]
pub trait Courier: Send {
    /// Hands over one checkpoint.
    ///
    /// # Errors
    /// It was not taken.
    async fn carry(&mut self, parcel: &Parcel) -> Result<(), Setback>;
}

/// Carries checkpoints to one receiver.
pub struct Departure {
    courier: Mutex<Box<dyn Courier>>,
    every: Duration,
    standing: Arc<Standing>,
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure").field("standing", &self.standing).finish_non_exhaustive()
    }
}

impl Departure {
    /// One that hands over at most one checkpoint in this time.
    #[must_use]
    pub fn new(courier: Box<dyn Courier>, every: Duration, standing: Arc<Standing>) -> Self {
        Self { courier: Mutex::new(courier), every, standing }
    }

    /// How far the receiver has got.
    #[must_use]
    pub const fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Carries until the store closes. What is newest when the time has come is what goes.
    pub async fn run(self: Arc<Self>, mut checkpoints: watch::Receiver<Option<Arc<str>>>) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let newest = checkpoints.borrow_and_update().clone();
            let begun = Instant::now();
            if let Some(parcel) = newest.and_then(|note| Parcel::new(&note).ok())
                && let Err(setback) = self.carry(&parcel).await
            {
                let pause = setback.wait.map_or_else(|| backoff.pause(), |asked| asked.min(ASKED));
                sleep(pause).await;
                continue;
            }
            backoff.worked();
            if checkpoints.changed().await.is_err() {
                return;
            }
            if let Some(parcel) = checkpoints.borrow().as_ref().and_then(|note| Parcel::new(note).ok()) {
                self.standing.wants(parcel.signed.size);
            }
            sleep_until(begun + self.every).await;
        }
    }

    /// Carries this one, once, as the gateway stops.
    pub async fn last(&self, note: &Arc<str>) {
        let Ok(parcel) = Parcel::new(note) else { return };
        if tokio::time::timeout(LAST, self.carry(&parcel)).await.is_err() {
            self.standing.failed(format!("it did not answer within {} s", LAST.as_secs()));
        }
    }

    async fn carry(&self, parcel: &Parcel) -> Result<(), Setback> {
        self.standing.wants(parcel.signed.size);
        let carried = self.courier.lock().await.carry(parcel).await;
        match &carried {
            Ok(()) => self.standing.took(parcel.signed.size),
            Err(setback) => self.standing.failed(setback.why.clone()),
        }
        carried
    }
}
