//! One witness: asked for its cosignature on the newest checkpoint (C2SP tlog-witness, `add-checkpoint`).

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{backoff::Backoff, departure::Parcel, standing::Standing};
use crate::{
    domain::Timestamp,
    evidence::{Cosignature, GrowthProof, WitnessKey},
};

/// Questions about one checkpoint: one with the size that is remembered, one with the size that the witness names,
/// and one more, should another program of the log have asked in between.
const QUESTIONS: usize = 3;
/// How far the clock of a witness may be from ours.
const CLOCK: i64 = 300;
/// For all questions about one checkpoint.
const TURN: Duration = Duration::from_secs(8);
/// Pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessReply {
    /// Its HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// The way to one witness.
#[async_trait]
pub trait AskWitness: Send + Sync {
    /// `POST add-checkpoint` with this body.
    ///
    /// # Errors
    /// No answer came; why, in one clause.
    async fn add_checkpoint(&self, body: String) -> Result<WitnessReply, String>;
}

/// Where proofs come from.
#[async_trait]
pub trait Growth: Send + Sync {
    /// The hashes that show that the log of size `to` only adds to that of size `from`.
    ///
    /// # Errors
    /// They cannot be had; why, in one clause.
    async fn between(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, String>;
}

/// Why there is no cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There may be one later.
    Later(String),
    /// The witness speaks against this log, or what it gives does not hold: a person must look.
    Against(Accusation, String),
}

/// What a person must look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accusation {
    /// It has seen more records than there are.
    Behind,
    /// It has seen other records.
    Forked,
    /// What it gives is no cosignature of this checkpoint.
    Faulty,
}

/// One witness.
pub struct Witness {
    key: WitnessKey,
    way: Box<dyn AskWitness>,
    standing: Arc<Standing>,
    memory: Mutex<Memory>,
}

struct Memory {
    /// Records that the witness has cosigned, as far as it said.
    size: u64,
    last: Option<(Arc<str>, Cosignature)>,
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("key", &self.key).field("standing", &self.standing).finish_non_exhaustive()
    }
}

impl Witness {
    /// A witness with this key, on this way. What it has cosigned it is asked at the first checkpoint.
    #[must_use]
    pub fn new(key: WitnessKey, way: Box<dyn AskWitness>, standing: Arc<Standing>) -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { key, way, standing, memory: Mutex::new(Memory { size: 0, last: None, backoff, not_before: None }) }
    }

    /// How far it has got.
    #[must_use]
    pub const fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Its cosignature on this checkpoint: the one that it gave already, or a new one. A witness that failed is left
    /// alone for a while.
    ///
    /// # Errors
    /// There is none, or not now.
    pub async fn cosign(&self, parcel: &Parcel, growth: &dyn Growth, now: Timestamp) -> Result<Cosignature, Refusal> {
        self.standing.wants(parcel.signed.size);
        let mut memory = self.memory.lock().await;
        if let Some((_, given)) = memory.last.as_ref().filter(|(note, _)| *note == parcel.note) {
            return Ok(given.clone());
        }
        if memory.not_before.is_some_and(|moment| Instant::now() < moment) {
            return Err(Refusal::Later("it failed and is left alone for a while".to_owned()));
        }
        let asked = tokio::time::timeout(TURN, self.ask(parcel, growth, (&mut memory.size, now))).await;
        let asked = asked.unwrap_or_else(|_| Err(Refusal::Later(format!("it gave no answer in {} s", TURN.as_secs()))));
        match &asked {
            Ok(cosignature) => {
                memory.last = Some((Arc::clone(&parcel.note), cosignature.clone()));
                memory.backoff.worked();
                memory.not_before = None;
                self.standing.took(parcel.signed.size);
            }
            Err(Refusal::Later(why) | Refusal::Against(_, why)) => {
                memory.not_before = Some(Instant::now() + memory.backoff.pause());
                self.standing.failed(why.clone());
            }
        }
        asked
    }

    async fn ask(
        &self,
        parcel: &Parcel,
        growth: &dyn Growth,
        (known, now): (&mut u64, Timestamp),
    ) -> Result<Cosignature, Refusal> {
        let ours = parcel.signed.size;
        for _ in 0..QUESTIONS {
            if *known > ours {
                let size = std::mem::take(known);
                let why = format!("it has cosigned {size} records of this log, which has {ours}");
                return Err(Refusal::Against(Accusation::Behind, why));
            }
            let path = match *known {
                0 => Vec::new(),
                from => growth.between(from, ours).await.map_err(Refusal::Later)?,
            };
            let body = GrowthProof { old: *known, path, note: parcel.note.to_string() }.write();
            let reply = self.way.add_checkpoint(body).await.map_err(Refusal::Later)?;
            match reply.status {
                200 => {
                    let cosignature = self.read(parcel, &reply.body, now)?;
                    *known = ours;
                    return Ok(cosignature);
                }
                409 => *known = other(&reply.body, *known)?,
                status => return Err(refused(status, *known)),
            }
        }
        Err(Refusal::Later("it names another size each time that it is asked".to_owned()))
    }

    /// The cosignature among the lines of an answer; lines of other keys do not count.
    fn read(&self, parcel: &Parcel, lines: &str, now: Timestamp) -> Result<Cosignature, Refusal> {
        let name = self.key.name();
        let found = self.key.find(&format!("{}{lines}", parcel.note));
        let faulty = |why: String| Refusal::Against(Accusation::Faulty, why);
        let found = found.map_err(|_| faulty(format!("what it gives is no cosignature of `{name}`")))?;
        let found = found.ok_or_else(|| faulty(format!("it gives no cosignature of the key `{name}`")))?;
        let off = found.time.signed_duration_since(now).num_seconds();
        if off.abs() > CLOCK {
            return Err(faulty(format!("its cosignature is of a time that is {} s from ours", off.abs())));
        }
        Ok(found)
    }
}

/// The size that a witness names instead of the one that it was told.
fn other(body: &str, told: u64) -> Result<u64, Refusal> {
    let size: Option<u64> = body.trim_end_matches('\n').parse().ok();
    match size {
        None => Err(Refusal::Later("it answers with status 409 and names no size".to_owned())),
        // Nothing but another root at the same size is left as the conflict.
        Some(size) if size == told => {
            Err(Refusal::Against(Accusation::Forked, format!("it has seen another log of {size} records")))
        }
        Some(size) => Ok(size),
    }
}

fn refused(status: u16, known: u64) -> Refusal {
    match status {
        422 => {
            let why = format!("it has seen another log: this one does not continue its {known} records");
            Refusal::Against(Accusation::Forked, why)
        }
        403 => {
            Refusal::Later("it does not know the key of this log (403); give it the text of `signing.pub`".to_owned())
        }
        404 => Refusal::Later("it does not know this log (404); give it the text of `signing.pub`".to_owned()),
        _ => Refusal::Later(format!("it answers with status {status}")),
    }
}
