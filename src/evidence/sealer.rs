//! Seals and opens: a key for each day, and for each exception of a day, so that what was captured can be shredded.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use aws_lc_rs::rand;
use chrono::NaiveDate;

use super::{Fingerprint, SealError, SealKey, Sealed};
use crate::domain::{DecisionId, Digest, ExceptionId, Secret, Timestamp};

/// Where keys of days are kept.
pub trait Vault: Send + Sync + fmt::Debug {
    /// Keeps a key, durable before it returns.
    ///
    /// # Errors
    /// It cannot be kept.
    fn keep(&self, id: &str, key: &Secret<Vec<u8>>) -> Result<(), String>;

    /// Destroys it, durable before it returns; a key that is not there is destroyed.
    ///
    /// # Errors
    /// It cannot be destroyed.
    fn destroy(&self, id: &str) -> Result<(), String>;
}

/// Which key seals.
#[derive(Debug, Clone, Copy)]
pub struct Under<'a> {
    /// When it was decided.
    pub at: Timestamp,
    /// The exception that is looked at, if one is.
    pub exception: Option<&'a ExceptionId>,
}

impl Under<'_> {
    fn stem(&self) -> String {
        let day = self.at.format("%Y-%m-%d");
        self.exception.map_or_else(|| day.to_string(), |exception| format!("{day}.{exception}"))
    }
}

/// Whose keys are to be destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Captured {
    /// All of days before this one.
    Before(NaiveDate),
    /// All of this exception.
    Under(ExceptionId),
}

impl Captured {
    fn holds(&self, id: &str) -> bool {
        let Some((day, exception)) = read(id) else { return false };
        match self {
            Self::Before(date) => day < *date,
            Self::Under(named) => exception == Some(named.as_str()),
        }
    }
}

/// The day and the exception of a key's id.
fn read(id: &str) -> Option<(NaiveDate, Option<&str>)> {
    let (stem, _mark) = id.rsplit_once('.')?;
    let (day, exception) = stem.split_once('.').map_or((stem, None), |(day, exception)| (day, Some(exception)));
    Some((NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?, exception))
}

#[derive(Debug, Default)]
struct Keys {
    /// By id.
    all: BTreeMap<String, Arc<SealKey>>,
    /// The one in use, by its id without the mark.
    used: HashMap<String, Arc<SealKey>>,
    /// When and by whom they were destroyed.
    gone: BTreeMap<String, (Timestamp, String)>,
}

/// Seals and opens. Each text is bound to its decision.
#[derive(Debug)]
pub struct Sealer {
    first: Arc<SealKey>,
    vault: Option<Box<dyn Vault>>,
    /// Held for moments; never while the vault works.
    keys: RwLock<Keys>,
    /// Held by whoever makes a key, so that each is made once.
    making: Mutex<()>,
}

impl Sealer {
    /// With this key alone.
    ///
    /// # Errors
    /// The key has not 32 bytes.
    pub fn new(first: &Secret<Vec<u8>>) -> Result<Self, SealError> {
        Ok(Self {
            first: Arc::new(SealKey::new("", first)?),
            vault: None,
            keys: RwLock::default(),
            making: Mutex::default(),
        })
    }

    /// With a first key, which opens what early versions sealed, and keys of days, which this vault keeps.
    ///
    /// # Errors
    /// A key has not 32 bytes, or is not the one that its id says.
    pub fn with(
        first: &Secret<Vec<u8>>,
        vault: Box<dyn Vault>,
        kept: Vec<(String, Secret<Vec<u8>>)>,
    ) -> Result<Self, SealError> {
        let mut keys = Keys::default();
        for (id, secret) in kept {
            let stem = read(&id).and_then(|_| id.rsplit_once('.')).map(|(stem, _)| stem.to_owned());
            let stem = stem.ok_or(SealError::Key)?;
            let key = Arc::new(SealKey::new(&stem, &secret)?);
            if key.id() != id {
                return Err(SealError::Key);
            }
            keys.used.insert(stem, Arc::clone(&key));
            keys.all.insert(id, key);
        }
        Ok(Self { vault: Some(vault), keys: RwLock::new(keys), ..Self::new(first)? })
    }

    /// The key for this; it is made if there is none, and only who needs a new one waits for that.
    ///
    /// # Errors
    /// It cannot be made or kept.
    pub fn key(&self, under: Under<'_>) -> Result<Arc<SealKey>, SealError> {
        let Some(vault) = &self.vault else { return Ok(Arc::clone(&self.first)) };
        let stem = under.stem();
        if let Some(key) = self.used(&stem) {
            return Ok(key);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.used(&stem) {
            return Ok(key);
        }
        let mut bytes = vec![0; 32];
        rand::fill(&mut bytes).map_err(|_| SealError::Make("the system gives no randomness".to_owned()))?;
        let secret = Secret::new(bytes);
        let key = Arc::new(SealKey::new(&stem, &secret)?);
        vault.keep(key.id(), &secret).map_err(SealError::Make)?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.used.insert(stem, Arc::clone(&key));
        keys.all.insert(key.id().to_owned(), Arc::clone(&key));
        Ok(key)
    }

    fn used(&self, stem: &str) -> Option<Arc<SealKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).used.get(stem).map(Arc::clone)
    }

    /// The sealed text under the first key, which stays; `None` if it is too large.
    ///
    /// # Errors
    /// The library refuses.
    pub fn seal(&self, decision: &DecisionId, text: &[u8]) -> Result<Option<Sealed>, SealError> {
        self.first.seal(decision, text)
    }

    /// The text.
    ///
    /// # Errors
    /// Its key was shredded or is not here, it was sealed for another decision, or it was changed.
    pub fn open(&self, decision: &DecisionId, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        self.find(&sealed.key)?.open(decision, sealed)
    }

    /// Whether this is the fingerprint of that digest.
    ///
    /// # Errors
    /// Its key was shredded or is not here.
    pub fn is_print(&self, print: &Fingerprint, digest: &Digest) -> Result<bool, SealError> {
        let again = match print.key() {
            Some(key) => self.find(key)?.print(digest),
            None => Fingerprint::from(*digest),
        };
        Ok(again == *print)
    }

    /// A digest of these bytes that nobody can guess from outside, and that stays the same for good.
    #[must_use]
    pub fn stamp(&self, bytes: &[u8]) -> Digest {
        self.first.keyed(bytes)
    }

    fn find(&self, id: &str) -> Result<Arc<SealKey>, SealError> {
        if id == self.first.id() {
            return Ok(Arc::clone(&self.first));
        }
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, by)) = keys.gone.get(id) {
            return Err(SealError::Shredded { at: *at, by: by.clone() });
        }
        keys.all.get(id).map(Arc::clone).ok_or_else(|| SealError::Missing(id.to_owned()))
    }

    /// The ids of the keys of what was captured so.
    #[must_use]
    pub fn of(&self, captured: &Captured) -> Vec<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.all.keys().filter(|id| captured.holds(id)).cloned().collect()
    }

    /// Destroys these keys: at once nothing that they sealed opens any more, and then their files go.
    ///
    /// # Errors
    /// One of them could not be destroyed; those that could are.
    pub fn shred(&self, ids: &[String], (at, by): (Timestamp, &str)) -> Result<(), String> {
        self.forget(ids, (at, by));
        let Some(vault) = &self.vault else { return Ok(()) };
        let failed: Vec<String> = ids.iter().filter_map(|id| vault.destroy(id).err()).collect();
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }

    fn forget(&self, ids: &[String], (at, by): (Timestamp, &str)) {
        let named: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.used.retain(|_, key| !named.contains(key.id()));
        for id in ids {
            keys.all.remove(id);
            keys.gone.insert(id.clone(), (at, by.to_owned()));
        }
    }
}
