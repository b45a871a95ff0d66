//! The line of keys that signed a log, one after another: which was in force where, and who vouches for which.

use serde::Serialize;

use super::{Checkpoint, CheckpointError, Record, SigningChange, SuccessionError, VerifyingKey};
use crate::domain::{Timestamp, limits};

/// How a key of a line began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Began {
    /// With the log.
    First,
    /// The key before it handed over.
    Rotated {
        /// When.
        at: Timestamp,
        /// Who did it.
        actor: String,
        /// Why.
        reason: String,
    },
    /// The key before it was lost: only this key says that it stands for it.
    Lost {
        /// When.
        at: Timestamp,
        /// Who did it.
        actor: String,
        /// Why.
        reason: String,
    },
}

/// A key of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineKey {
    /// The key.
    pub key: VerifyingKey,
    /// The smallest checkpoint that it may have signed.
    pub from: u64,
    /// The greatest; none for the key that is in force.
    pub until: Option<u64>,
    /// How it began.
    #[serde(flatten)]
    pub began: Began,
    /// Whether a key that the reader knows vouches for it, or is it.
    pub vouched: bool,
}

/// The keys of a log. Whoever knows one of them knows those after it, for each signed that it hands over to the next,
/// and those before it, for each signed from whom it takes over. Over the loss of a key it goes only backwards.
#[derive(Debug, Clone, Default)]
pub struct KeyLine {
    keys: Vec<LineKey>,
    /// Keys that the reader knows.
    known: Vec<VerifyingKey>,
    /// All that was said of changes, each with the place where it stands.
    said: Vec<(u64, SigningChange)>,
    changes: Vec<SigningChange>,
    faults: Vec<(u64, SuccessionError)>,
}

impl KeyLine {
    /// The line of one key, as long as nothing changed.
    #[must_use]
    pub fn single(key: &VerifyingKey) -> Self {
        Self::of(std::slice::from_ref(key), &[])
    }

    /// The line as these changes tell it, each with the place where it stands, for a reader who knows these keys.
    #[must_use]
    pub fn of(known: &[VerifyingKey], changes: &[(u64, SigningChange)]) -> Self {
        let mut line = Self { known: known.to_vec(), said: changes.to_vec(), ..Self::default() };
        let Some((_, first)) = changes.first() else { return line };
        let is_known = |key: &VerifyingKey| known.contains(key);
        let (key, vouched) = (first.old.clone(), is_known(&first.old));
        let mut held = LineKey { key, from: 0, until: None, began: Began::First, vouched };
        for (place, (seq, change)) in changes.iter().enumerate() {
            let mut found = change.check(*seq);
            if change.old != held.key || *seq < held.from {
                found = found.and(Err(SuccessionError::Order));
            }
            if place >= limits::SIGNING_KEYS {
                found = Err(SuccessionError::TooMany);
            }
            if let Err(error) = found {
                // What follows is not told by this line any more; its checkpoints will not open.
                line.faults.push((*seq, error));
                break;
            }
            let SigningChange { at, ref actor, ref reason, .. } = *change;
            let (actor, reason) = (actor.clone(), reason.clone());
            let (began, handed) = if change.is_break() {
                (Began::Lost { at, actor, reason }, false)
            } else {
                (Began::Rotated { at, actor, reason }, true)
            };
            held.until = Some(change.last_of_old());
            let vouched = is_known(&change.new) || handed && held.vouched;
            let next = LineKey { key: change.new.clone(), from: change.last_of_old() + 1, until: None, began, vouched };
            line.keys.push(std::mem::replace(&mut held, next));
            line.changes.push(change.clone());
        }
        let mut vouched = held.vouched;
        line.keys.push(held);
        // Each key signed from whom it takes over.
        for key in line.keys.iter_mut().rev() {
            key.vouched |= vouched;
            vouched = key.vouched;
        }
        line
    }

    /// The line with what a copy says beside; what both say counts once.
    #[must_use]
    pub fn with(&self, changes: &[(u64, SigningChange)]) -> Self {
        let mut said = self.said.clone();
        said.extend(changes.iter().filter(|change| !self.said.contains(change)).cloned());
        said.sort_by_key(|(seq, _)| *seq);
        Self::of(&self.known, &said)
    }

    /// Reads a change of keys, if these bytes of a record are one.
    #[must_use]
    pub fn change(payload: &[u8]) -> Option<SigningChange> {
        if !payload.starts_with(br#"{"kind":"signing""#) {
            return None;
        }
        if let Ok(Record::Signing(change)) = serde_json::from_slice(payload) { Some(change) } else { None }
    }

    /// The keys, the first one first; of a line that never changed, those that the reader knows.
    #[must_use]
    pub fn keys(&self) -> Vec<LineKey> {
        if !self.keys.is_empty() {
            return self.keys.clone();
        }
        let first =
            |key: &VerifyingKey| LineKey { key: key.clone(), from: 0, until: None, began: Began::First, vouched: true };
        self.known.iter().map(first).collect()
    }

    /// The changes of keys that hold.
    #[must_use]
    pub fn changes(&self) -> &[SigningChange] {
        &self.changes
    }

    /// Changes of keys that do not hold, by their place.
    #[must_use]
    pub fn faults(&self) -> &[(u64, SuccessionError)] {
        &self.faults
    }

    /// The losses of a key, each with whether the reader knows a key that vouches for what came after it.
    pub fn breaks(&self) -> impl Iterator<Item = (&SigningChange, bool)> {
        let after = self.keys.iter().skip(1).map(|key| key.vouched);
        self.changes.iter().zip(after).filter(|(change, _)| change.is_break())
    }

    /// Whether this change, found at this place, is one of the line.
    #[must_use]
    pub fn tells(&self, seq: u64, change: &SigningChange) -> bool {
        self.changes.iter().any(|one| one == change && one.seq == seq) || self.faults.iter().any(|(at, _)| *at == seq)
    }

    /// The checkpoint in this signed note, if the key that was in force at its size signed it and is vouched for.
    ///
    /// # Errors
    /// It is not.
    pub fn open(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        if self.keys.is_empty() {
            return self.any(note);
        }
        let size = Checkpoint::read(note)?.size;
        let in_force = self.keys.iter().find(|key| key.from <= size && key.until.is_none_or(|until| size <= until));
        let key = in_force.ok_or(CheckpointError::Signature)?;
        let opened = Checkpoint::open(note, &key.key)?;
        if key.vouched { Ok(opened) } else { Err(CheckpointError::Stranger) }
    }

    fn any(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let mut failed = CheckpointError::Signature;
        for key in &self.known {
            match Checkpoint::open(note, key) {
                Ok(opened) => return Ok(opened),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Whether a key of the line that is vouched for signed these bytes.
    #[must_use]
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> bool {
        if self.keys.is_empty() {
            return self.known.iter().any(|key| key.verify(bytes, signature));
        }
        self.keys.iter().any(|key| key.vouched && key.key.verify(bytes, signature))
    }
}
