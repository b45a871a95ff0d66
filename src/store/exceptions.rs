//! Exceptions: their histories are the journal's own records, and each admission reads them again.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Store,
    job::Done,
    ledger::{Entry, Ledger, Memory},
    load::{LoadError, bytes},
    store::Terms,
};
use crate::{
    domain::{AgentId, Digest, ExceptionId, SuspendReason, Timestamp, Window},
    evidence::{JournalError, Lifecycle, Record, chain},
    exception::{Change, Event, ExceptionStore, StoreError, StoredEvent, Trial},
    gateway::Charge,
};

/// What the writer remembers of an exception.
#[derive(Debug, Default)]
pub(super) struct Known {
    version: u64,
    /// The digest of the last spec.
    digest: Option<Digest>,
    /// What is stored is not what was written.
    tampered: bool,
    live: Option<Box<Live>>,
}

/// An exception that was submitted and has not ended.
#[derive(Debug)]
struct Live {
    revision: u32,
    digest: Digest,
    window: Window,
    /// The records of the spec and its approvals.
    founding: Vec<u64>,
    /// SHA-256 over them.
    fingerprint: Digest,
    scheduled: bool,
    suspended: BTreeSet<SuspendReason>,
    /// The agents that go without it for a while.
    trial: Option<Trial>,
}

impl Known {
    /// What an event changes. `seq` and `payload` are those of its record.
    fn follow(&mut self, stored: &StoredEvent, seq: u64, payload: &[u8]) {
        self.version = stored.version;
        if let Event::Submitted { revision, spec, digest, .. } = &stored.event {
            let (revision, digest, window) = (*revision, *digest, spec.window);
            self.digest = Some(digest);
            self.tampered |= spec.digest().ok() != Some(digest);
            let (founding, fingerprint) = (vec![seq], Digest::of(payload));
            let (scheduled, suspended, trial) = (false, BTreeSet::new(), None);
            let live = Live { revision, digest, window, founding, fingerprint, scheduled, suspended, trial };
            self.live = Some(Box::new(live));
            return;
        }
        let Some(live) = &mut self.live else { return };
        match &stored.event {
            Event::Approved { .. } => {
                live.founding.push(seq);
                live.fingerprint = Digest::of_parts(&[live.fingerprint.as_bytes(), payload]);
            }
            Event::Scheduled => live.scheduled = true,
            Event::Suspended { reason, .. } => drop(live.suspended.insert(*reason)),
            Event::Resumed { reason, .. } => drop(live.suspended.remove(reason)),
            Event::Rejected { .. }
            | Event::Withdrawn { .. }
            | Event::RequestExpired
            | Event::Revoked { .. }
            | Event::Finished { .. }
            | Event::Graduated { .. }
            | Event::Superseded { .. }
            | Event::Expired => self.live = None,
            // The budget itself refuses, and says so.
            Event::Exhausted => {}
            // The owner's word also ends a suspension for the want of it.
            Event::Attested { .. } => drop(live.suspended.remove(&SuspendReason::AttestationLapsed)),
            Event::TrialBegun { members, until, .. } => {
                live.trial = Some(Trial { members: members.clone(), until: *until });
            }
            Event::TrialEnded { .. } => live.trial = None,
            Event::Submitted { .. }
            | Event::Analysed { .. }
            | Event::Activated
            | Event::MilestoneMet { .. }
            | Event::RemovalTested { .. }
            | Event::Reminded { .. }
            | Event::Reviewed { .. } => {}
        }
    }
}

/// How an exception stands to what was judged.
pub(super) enum Standing {
    /// It is what was judged, and can be used.
    Same,
    /// It has changed in order: revoked, suspended, ended, or under another revision.
    Ended(String),
    /// What is stored is not what was written (T082).
    Tampered(String),
}

/// Holds an exception against what was judged, reading its spec and approvals again.
pub(super) fn standing(ledger: &Ledger, charge: &Charge, agent: &AgentId, at: Timestamp) -> rusqlite::Result<Standing> {
    let id = &charge.exception;
    let ended = |why: &str| Ok(Standing::Ended(format!("`{id}` {why}")));
    let Some(known) = ledger.memory.known.get(id) else { return ended("is not known") };
    let tampered = || Ok(Standing::Tampered(format!("what is stored of `{id}` is not what was approved")));
    if known.tampered {
        return tampered();
    }
    let Some(live) = &known.live else { return ended("has ended") };
    if (live.revision, live.digest) != (charge.revision, charge.digest) {
        return ended("has another revision now");
    }
    if !live.scheduled {
        return ended("is not approved");
    }
    if !live.suspended.is_empty() {
        return ended("is suspended");
    }
    if live.trial.as_ref().is_some_and(|trial| trial.holds(agent, at)) {
        return ended("is suspended for this agent: a trial of its removal has begun");
    }
    if at >= live.window.not_after {
        return ended("is over");
    }
    if fingerprint(&ledger.conn, &live.founding)? == Some(live.fingerprint) { Ok(Standing::Same) } else { tampered() }
}

fn fingerprint(conn: &Connection, founding: &[u64]) -> rusqlite::Result<Option<Digest>> {
    let mut query = conn.prepare_cached("SELECT payload FROM journal WHERE seq = ?1")?;
    let mut so_far: Option<Digest> = None;
    for seq in founding {
        let Some(payload) = query.query_row([seq.cast_signed()], |row| bytes(row, 0)).optional()? else {
            return Ok(None);
        };
        so_far = Some(match so_far {
            None => Digest::of(&payload),
            Some(before) => Digest::of_parts(&[before.as_bytes(), &payload]),
        });
    }
    Ok(so_far)
}

const HISTORY: &str = "SELECT here.seq, here.payload, here.chain, before.chain, here.exception FROM journal AS here
    LEFT JOIN journal AS before ON before.seq = here.seq - 1
    WHERE here.exception IS NOT NULL AND here.kind = 'lifecycle'";

/// Reads all histories at the start; names those that are not what was written.
pub(super) fn load(conn: &Connection, memory: &mut Memory) -> Result<Vec<ExceptionId>, LoadError> {
    let mut query = conn.prepare(&format!("{HISTORY} ORDER BY here.exception, here.seq"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, payload) = (row.get::<_, i64>(0)?, bytes(row, 1)?);
        let (link, before): ([u8; 32], Option<[u8; 32]>) = (row.get(2)?, row.get(3)?);
        let seq = seq.cast_unsigned();
        let id: ExceptionId = row.get::<_, String>(4)?.parse().map_err(|_| LoadError::Value("journal"))?;
        let linked = chain(&before.unwrap_or_default(), seq, &payload) == link;
        let known = memory.known.entry(id.clone()).or_default();
        match stored(&payload) {
            Some(event) if linked && event.exception == id && event.version == known.version + 1 => {
                known.follow(&event, seq, &payload);
            }
            _ => {
                known.version += 1;
                known.tampered = true;
            }
        }
    }
    let mut heads = conn.prepare("SELECT exception, version FROM exception_head")?;
    let mut rows = heads.query([])?;
    let mut versions = HashMap::new();
    while let Some(row) = rows.next()? {
        let id: ExceptionId = row.get::<_, String>(0)?.parse().map_err(|_| LoadError::Value("exception_head"))?;
        let version = row.get::<_, i64>(1)?.cast_unsigned();
        memory.known.entry(id.clone()).or_default();
        versions.insert(id, version);
    }
    let mut changed = Vec::new();
    for (id, known) in &mut memory.known {
        known.tampered |= versions.get(id) != Some(&known.version);
        if known.tampered {
            changed.push(id.clone());
        }
    }
    changed.sort();
    Ok(changed)
}

fn stored(payload: &[u8]) -> Option<StoredEvent> {
    let Ok(Record::Lifecycle(Lifecycle { at, exception, version, actor, reason, event, .. })) =
        serde_json::from_slice(payload)
    else {
        return None;
    };
    let event = serde_json::from_value(event).ok()?;
    Some(StoredEvent { exception, version, at, actor, reason, event })
}

#[async_trait]
impl ExceptionStore for Store {
    async fn load(&self, after: Option<&ExceptionId>, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let after = after.map_or_else(String::new, |id| id.as_str().to_owned());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT payload FROM journal WHERE kind = 'lifecycle' AND exception IN
                   (SELECT exception FROM exception_head WHERE exception > ?1 ORDER BY exception LIMIT ?2)
                   ORDER BY exception, seq";
        let payloads = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            let rows = query.query_map(params![after, limit], |row| bytes(row, 0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        events(&payloads.await.map_err(|why| StoreError::Unavailable(why.0))?)
    }

    async fn history(&self, id: &ExceptionId) -> Result<Vec<StoredEvent>, StoreError> {
        let id = id.clone();
        let sql = "SELECT payload FROM journal WHERE exception = ?1 AND kind = 'lifecycle' ORDER BY seq";
        let payloads = self.read(move |conn| {
            let mut query = conn.prepare_cached(sql)?;
            let rows = query.query_map([id.as_str()], |row| bytes(row, 0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        events(&payloads.await.map_err(|why| StoreError::Unavailable(why.0))?)
    }

    async fn append(&self, id: &ExceptionId, expected: u64, change: Change) -> Result<u64, StoreError> {
        let after = expected.saturating_add(u64::try_from(change.events.len()).unwrap_or(u64::MAX));
        let id = id.clone();
        let work = move |ledger: &mut Ledger| Ok(Done::plain(append_all(ledger, &[(id, expected, change)], None)?));
        self.ask(Terms::PATIENT, work).await.map_err(|why| StoreError::Unavailable(why.0))??;
        Ok(after)
    }

    async fn uses(&self, id: &ExceptionId) -> Result<u64, StoreError> {
        let id = id.clone();
        let sql = "SELECT used FROM uses WHERE exception = ?1";
        let read = move |conn: &Connection| conn.query_row(sql, [id.as_str()], |row| row.get::<_, i64>(0)).optional();
        let used = self.read(read).await.map_err(|why| StoreError::Unavailable(why.0))?;
        Ok(used.unwrap_or_default().cast_unsigned())
    }
}

fn events(payloads: &[Vec<u8>]) -> Result<Vec<StoredEvent>, StoreError> {
    let unreadable = || StoreError::Unavailable("a record of an exception cannot be read".to_owned());
    payloads.iter().map(|payload| stored(payload).ok_or_else(unreadable)).collect()
}

/// Appends these changes and, behind them, this record: all of them, or none.
pub(super) fn append_all(
    ledger: &mut Ledger,
    changes: &[(ExceptionId, u64, Change)],
    with: Option<&Entry>,
) -> rusqlite::Result<Result<(), StoreError>> {
    let mut all = Vec::with_capacity(changes.len());
    for (id, expected, change) in changes {
        let known = ledger.memory.known.get(id);
        let found = known.map_or(0, |known| known.version);
        if found != *expected {
            return Ok(Err(StoreError::Conflict { expected: *expected, found }));
        }
        match entries(id, *expected, change, known.and_then(|known| known.digest)) {
            Ok(entries) => all.push((id, entries)),
            Err(error) => return Ok(Err(StoreError::Unavailable(error.to_string()))),
        }
    }
    for (id, entries) in all {
        for (event, entry) in entries {
            let seq = ledger.append(&entry)?.seq;
            ledger.memory.known.entry(id.clone()).or_default().follow(&event, seq, &entry.payload);
        }
        let version = ledger.memory.known.get(id).map_or(0, |known| known.version);
        let sql = "INSERT INTO exception_head (exception, version) VALUES (?1, ?2)
                   ON CONFLICT (exception) DO UPDATE SET version = ?2";
        ledger.conn.prepare_cached(sql)?.execute(params![id.as_str(), version.cast_signed()])?;
    }
    if let Some(entry) = with {
        ledger.append(entry)?;
    }
    Ok(Ok(()))
}

/// The records of a change. An event that does not carry the digest of the spec gets it beside it.
fn entries(
    id: &ExceptionId,
    expected: u64,
    change: &Change,
    mut digest: Option<Digest>,
) -> Result<Vec<(StoredEvent, Entry)>, JournalError> {
    let Change { events, at, actor, reason } = change;
    let mut all = Vec::with_capacity(events.len());
    for (version, event) in (expected.saturating_add(1)..).zip(events) {
        if let Event::Submitted { digest: new, .. } = event {
            digest = Some(*new);
        }
        let as_value = serde_json::to_value(event).map_err(|_| JournalError::Unreadable)?;
        let stored = StoredEvent {
            exception: id.clone(),
            version,
            at: *at,
            actor: actor.clone(),
            reason: reason.clone(),
            event: event.clone(),
        };
        let record = Record::Lifecycle(Lifecycle {
            at: *at,
            exception: id.clone(),
            version,
            actor: actor.clone(),
            reason: reason.clone(),
            digest: digest.filter(|_| as_value.pointer("/digest").is_none() && as_value.get("approval").is_none()),
            event: as_value,
        });
        all.push((stored, Entry::of(&record)?));
    }
    Ok(all)
}
