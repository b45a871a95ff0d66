//! Opening the store: the folder, the keys, the tables, and what the last run left behind.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize},
        mpsc,
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Store,
    folder::{Folder, FolderError},
    keyring::{Keyring, KeyringError},
    keys,
    ledger::Ledger,
    load::{LoadError, Loaded},
    log_key,
    schema::{self, SchemaError},
    vault,
    writer::{Place, Signals, Writer},
};
use crate::{
    domain::{Clock, CredentialId, DecisionId, Digest, ExceptionId, Lease, Timestamp},
    evidence::{Alarm, AlarmKind, Record, Recovered, Start},
};

pub(super) const DATABASE: &str = "postern.db";
/// Orphaned intents in one record.
const ORPHANS: usize = 1_000;

/// What must be durable before a call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Every record.
    #[default]
    All,
    /// Records of calls that a role allows may follow; the queue is bounded and pushes back.
    Exceptions,
}

/// How the store works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What must be durable.
    pub durability: Durability,
    /// How long a commit may take before the call is refused.
    pub commit_timeout: Duration,
    /// Pieces of work that may wait; more are refused.
    pub queue: usize,
    /// Bytes of the disk that are held for denials, freezes, revocations and ends of calls when it is full.
    pub reserve: u64,
    /// How long after its last commit the store counts as healthy.
    pub lease: Duration,
    /// The digest of the configuration that the gateway begins with.
    pub config: Option<Digest>,
}

impl Default for Settings {
    fn default() -> Self {
        let (commit_timeout, lease) = (Duration::from_millis(250), Duration::from_secs(2));
        Self { durability: Durability::All, commit_timeout, queue: 4_096, reserve: 4 << 20, lease, config: None }
    }
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The tables.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// What stands in them.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Another program holds the database.
    #[error("another program holds the database; end it and try again")]
    Busy,
    /// The thread that writes.
    #[error("the thread that writes cannot be started")]
    Thread(#[from] std::io::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Load(error.into())
    }
}

/// What was found at the start.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// Records in the journal.
    pub records: u64,
    /// Intents without an outcome: the call may have happened.
    pub unknown: Vec<DecisionId>,
    /// Exceptions whose use counter was not what the journal says.
    pub recounted: Vec<ExceptionId>,
    /// Exceptions whose stored record is not what was approved; they are refused.
    pub changed: Vec<ExceptionId>,
    /// Keys whose row is not what was made; they are revoked.
    pub keys: Vec<CredentialId>,
    /// The latest moment that was stored; the clock must not fall behind it (T087).
    pub latest: Option<Timestamp>,
    /// The epoch of the policies that was stored; the next one must be greater.
    pub epoch: u64,
}

impl Store {
    /// Opens the store in this folder, or makes it.
    ///
    /// # Errors
    /// The folder is not ours alone or is in use, a key is missing, or the journal is not what was written.
    pub fn open(dir: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<(Arc<Self>, Recovery), OpenError> {
        let folder = Arc::new(Folder::take(dir)?);
        let fresh = !folder.guard(DATABASE)?;
        for name in [DATABASE, "postern.db-wal", "postern.db-shm"] {
            folder.guard(name)?;
        }
        let changes = if fresh { Vec::new() } else { log_key::changes(&schema::writer(&folder.file(DATABASE))?)? };
        let keyring = Arc::new(Keyring::open(&folder, fresh, &changes)?);
        folder.touch(DATABASE)?;
        let place = Place {
            path: folder.file(DATABASE),
            folder: Arc::clone(&folder),
            reserve: settings.reserve,
            clock,
            signing: Arc::clone(&keyring.signing),
        };
        let (mut ledger, loaded) = place.open()?;
        vault::follow(&ledger.conn, &keyring.sealer)?;
        let recovery = begin(&mut ledger, loaded, settings.config)?;
        let note = ledger.checkpoint()?;
        ledger.tight = !folder.reserve(settings.reserve);
        let signals = Arc::new(Signals {
            lease: Arc::new(Lease::new(settings.lease, u64::MAX)),
            frozen: watch::Sender::new(Arc::clone(&ledger.memory.freezes)),
            holds: watch::Sender::new(Arc::clone(&ledger.memory.holds)),
            checkpoint: watch::Sender::new(note.map(Into::into)),
            head: watch::Sender::new(ledger.memory.head().seq),
            meter: OnceLock::new(),
            waiting: AtomicUsize::new(0),
            scrub: AtomicBool::new(false),
        });
        if !ledger.tight {
            signals.lease.acknowledge();
        }
        let reader = Mutex::new(schema::reader(&place.path)?);
        let (sender, receiver) = mpsc::sync_channel(settings.queue);
        let writer = Writer::new(place, ledger, Arc::clone(&signals), receiver);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run())?;
        let thread = Mutex::new(Some(thread));
        let store = Self { queue: sender, settings, signals, keyring, reader: Arc::new(reader), thread, folder };
        Ok((Arc::new(store), recovery))
    }
}

/// Records the start and what the last run left behind.
fn begin(ledger: &mut Ledger, loaded: Loaded, config: Option<Digest>) -> Result<Recovery, OpenError> {
    let memory = &ledger.memory;
    let mut open: Vec<_> = memory.open.iter().map(|(decision, seq)| (*seq, decision.clone())).collect();
    open.sort();
    let unknown: Vec<DecisionId> = open.into_iter().map(|(_, decision)| decision).collect();
    let recovery = Recovery {
        records: memory.head().seq,
        recounted: loaded.recounted.iter().map(|(id, _)| id.clone()).collect(),
        changed: loaded.changed.clone(),
        keys: loaded.keys.clone(),
        latest: Timestamp::from_timestamp_millis(memory.latest).filter(|_| memory.latest > i64::MIN),
        epoch: memory.epoch,
        unknown,
    };
    ledger.begin()?;
    let at = ledger.now();
    ledger.tell(&Record::Start(Start { at, version: env!("CARGO_PKG_VERSION").to_owned(), config }))?;
    mend(ledger, &loaded)?;
    let mut recounted = recovery.recounted.clone();
    for orphans in recovery.unknown.chunks(ORPHANS) {
        let recounted = std::mem::take(&mut recounted);
        ledger.tell(&Record::Recovered(Recovered { at, unknown: orphans.to_vec(), recounted }))?;
    }
    if !recounted.is_empty() {
        ledger.tell(&Record::Recovered(Recovered { at, unknown: Vec::new(), recounted }))?;
    }
    ledger.memory.open.clear();
    ledger.commit()?;
    Ok(recovery)
}

/// Sets counters to what the journal says, revokes keys that were changed, and raises an alarm for each of them
/// and for each exception that was changed.
pub(super) fn mend(ledger: &mut Ledger, loaded: &Loaded) -> rusqlite::Result<()> {
    let at = ledger.now();
    for (exception, used) in &loaded.recounted {
        let sql = "INSERT INTO uses (exception, used) VALUES (?1, ?2) ON CONFLICT (exception) DO UPDATE SET used = ?2";
        ledger.conn.prepare_cached(sql)?.execute(rusqlite::params![exception.as_str(), used])?;
        let detail = format!("the use counter was not what the journal says; it is {used} again");
        alarm(ledger, AlarmKind::BudgetChanged, Some(exception.clone()), detail)?;
    }
    for exception in &loaded.changed {
        let detail = "what is stored of the exception is not what the journal says; it is refused".to_owned();
        alarm(ledger, AlarmKind::ExceptionChanged, Some(exception.clone()), detail)?;
    }
    for id in &loaded.keys {
        keys::mend(ledger, id, at)?;
        alarm(ledger, AlarmKind::KeyChanged, None, format!("the key `{id}` is not what was made; it is revoked"))?;
    }
    Ok(())
}

/// Raises an alarm.
pub(super) fn alarm(
    ledger: &mut Ledger,
    about: AlarmKind,
    exception: Option<ExceptionId>,
    detail: String,
) -> rusqlite::Result<()> {
    let at = ledger.now();
    ledger.tell(&Record::Alarm(Alarm { at, about, exception, decision: None, detail })).map(drop)
}
