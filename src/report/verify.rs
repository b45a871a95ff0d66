//! Whether a bundle is what was written: offline, from its files alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{
    bundle::{CHECKPOINT, DECISIONS, FILES, Item, JOURNAL, KEY, SUMS, Summed, VIEW, sums_text},
    members::Members,
    views::Views,
};
use crate::{
    domain::{ExceptionId, Timestamp},
    evidence::{Checkpoint, KeyLine, Record, SigningChange, VerifyingKey, includes, leaf},
    exception::{self, StoredEvent},
};

/// Bytes of a file that is read whole, and of one line: a record and its proof, every byte of it escaped.
const SMALL: u64 = 64 << 20;
const LINE: u64 = 1 << 20;
/// Faults and records that are listed.
const LISTED: usize = 1_000;

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The record, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// One record that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// Its sequence number.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Its kind, of an event with the event's name.
    pub what: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether everything holds.
    pub holds: bool,
    /// The exception.
    pub exception: Option<ExceptionId>,
    /// The name of the key that signed.
    pub key: Option<String>,
    /// Whether the caller said that this is the key.
    pub key_given: bool,
    /// Records of the whole journal under the checkpoint.
    pub signed: u64,
    /// Records in the bundle that hold.
    pub records: u64,
    /// Those by kind.
    pub by_kind: BTreeMap<String, u64>,
    /// The first thousand of them.
    pub proven: Vec<Proven>,
    /// What does not hold, at most a thousand.
    pub faults: Vec<Fault>,
}

/// Verifies the bundle in this folder, under this key or else under the one that lies in it.
///
/// # Errors
/// The folder cannot be read.
pub fn verify(folder: &Path, key: Option<&VerifyingKey>) -> io::Result<Verification> {
    let mut reading = Reading::default();
    reading.files(folder)?;
    if reading.faults.is_empty() {
        reading.whole(folder, key)?;
    }
    Ok(reading.finish(key.is_some()))
}

#[derive(Default)]
struct Reading {
    exception: Option<ExceptionId>,
    key: Option<VerifyingKey>,
    line: KeyLine,
    signed: u64,
    records: u64,
    by_kind: BTreeMap<String, u64>,
    proven: Vec<Proven>,
    faults: Vec<Fault>,
}

impl Reading {
    fn fault(&mut self, file: &str, seq: Option<u64>, what: impl Into<String>) {
        if self.faults.len() < LISTED {
            self.faults.push(Fault { file: file.to_owned(), seq, what: what.into() });
        }
    }

    /// Exactly the files of a bundle, none of them a link.
    fn files(&mut self, folder: &Path) -> io::Result<()> {
        let expected: BTreeSet<&str> = FILES.into_iter().chain([SUMS]).collect();
        let mut missing = expected.clone();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !expected.contains(name.as_str()) {
                self.fault(&name, None, "is no file of a bundle");
            } else if !entry.file_type()?.is_file() {
                self.fault(&name, None, "is no file of its own");
            } else if name != JOURNAL && name != DECISIONS && entry.metadata()?.len() > SMALL {
                self.fault(&name, None, "is too large");
            }
            missing.remove(name.as_str());
            if self.faults.len() >= LISTED {
                return Ok(());
            }
        }
        missing.into_iter().for_each(|name| self.fault(name, None, "is missing"));
        Ok(())
    }

    fn whole(&mut self, folder: &Path, given: Option<&VerifyingKey>) -> io::Result<()> {
        let sums = self.sums(folder)?;
        let text = String::from_utf8_lossy(&small(folder, KEY)?).into_owned();
        let Ok(key) = text.parse::<VerifyingKey>() else {
            self.fault(KEY, None, "is no verifier key");
            return Ok(());
        };
        if format!("{key}\n") != text {
            self.fault(KEY, None, "is not as the gateway writes it");
        }
        let changes = changes(folder)?;
        self.line = KeyLine::of(std::slice::from_ref(given.unwrap_or(&key)), &changes);
        if !self.line.keys().iter().any(|one| one.key == key && one.vouched) {
            self.fault(KEY, None, "is another key than the one that you gave, and no key that you gave vouches for it");
            return Ok(());
        }
        for (seq, error) in self.line.faults().to_vec() {
            self.fault(JOURNAL, Some(seq), error.to_string());
        }
        self.key = Some(key);
        let note = String::from_utf8_lossy(&small(folder, CHECKPOINT)?).into_owned();
        let checkpoint = match self.line.open(&note) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                self.fault(CHECKPOINT, None, error.to_string());
                return Ok(());
            }
        };
        self.signed = checkpoint.size;
        self.journal(folder, &checkpoint, &sums)
    }

    /// The digests of all files as they are, held against those that are written down.
    fn sums(&mut self, folder: &Path) -> io::Result<BTreeMap<&'static str, String>> {
        let mut found = Vec::new();
        for name in FILES {
            let mut sum = Summed::over(io::sink());
            io::copy(&mut open(folder, name)?, &mut sum)?;
            found.push((name, sum.finish()?));
        }
        let written = small(folder, SUMS)?;
        if sums_text(&found).as_bytes() != written {
            let written = String::from_utf8_lossy(&written).into_owned();
            let whole: Vec<&str> = written.lines().collect();
            let changed: Vec<_> =
                found.iter().filter(|(name, sum)| !whole.contains(&format!("{sum}  {name}").as_str())).collect();
            for (name, _) in &changed {
                self.fault(name, None, "is not what its digest in SHA256SUMS says");
            }
            if changed.is_empty() {
                self.fault(SUMS, None, "is not as the gateway writes it");
            }
        }
        Ok(found.into_iter().collect())
    }

    fn journal(
        &mut self,
        folder: &Path,
        checkpoint: &Checkpoint,
        sums: &BTreeMap<&'static str, String>,
    ) -> io::Result<()> {
        let mut input = BufReader::new(open(folder, JOURNAL)?);
        let mut last = 0;
        let mut state: Option<(Members, Views<Summed<io::Sink>>)> = None;
        let mut history = Vec::new();
        loop {
            let mut line = Vec::new();
            if input.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let Some((seq, record)) = self.item(&line, last, checkpoint) else { continue };
            last = seq;
            if let Record::Signing(change) = &record {
                if !self.line.tells(seq, change) {
                    self.fault(JOURNAL, Some(seq), "is a change of the signing key that does not stand in its order");
                }
                self.holds(seq, &record);
                continue;
            }
            if state.is_none() {
                let Some(id) = record.summary().exception else {
                    self.fault(JOURNAL, Some(seq), "the first record names no exception");
                    return Ok(());
                };
                state = Some((Members::of(&id), Views::begin(&id, Summed::over(io::sink()))?));
                self.exception = Some(id);
            }
            let Some((members, views)) = &mut state else { return Ok(()) };
            if !members.take(&record) {
                self.fault(JOURNAL, Some(seq), "is not about this exception");
                continue;
            }
            views.record(seq, &record)?;
            if let Record::Lifecycle(lifecycle) = &record {
                match serde_json::from_value(lifecycle.event.clone()) {
                    Ok(event) => history.push(StoredEvent {
                        exception: lifecycle.exception.clone(),
                        version: lifecycle.version,
                        at: lifecycle.at,
                        actor: lifecycle.actor.clone(),
                        reason: lifecycle.reason.clone(),
                        event,
                    }),
                    Err(_) => self.fault(JOURNAL, Some(seq), "is an event that this version does not know"),
                }
            }
            self.holds(seq, &record);
        }
        let Some((_, views)) = state else {
            self.fault(JOURNAL, None, "holds no record");
            return Ok(());
        };
        self.views(folder, views, sums)?;
        self.life(&history);
        Ok(())
    }

    /// The record of a line that stands in order and is proven.
    fn item(&mut self, line: &[u8], last: u64, checkpoint: &Checkpoint) -> Option<(u64, Record)> {
        let item = serde_json::from_slice::<Item>(line).ok();
        let canonical = item.as_ref().and_then(|item| serde_json::to_vec(item).ok());
        let (Some(item), Some(b'\n')) = (item, line.last()) else {
            self.fault(JOURNAL, Some(last), "the line after this record is not as the gateway writes it");
            return None;
        };
        let seq = item.seq;
        if canonical.as_deref() != line.get(..line.len() - 1) {
            self.fault(JOURNAL, Some(seq), "is not as the gateway writes it");
            return None;
        }
        let proof: Option<Vec<[u8; 32]>> =
            item.proof.iter().map(|hash| STANDARD.decode(hash).ok()?.try_into().ok()).collect();
        let leaf = leaf(item.payload.as_bytes());
        let proven = seq > 0 && proof.is_some_and(|p| includes(&checkpoint.root, checkpoint.size, seq - 1, &leaf, &p));
        if !proven {
            self.fault(JOURNAL, Some(seq), "is not proven to stand under the checkpoint");
            return None;
        }
        if seq <= last {
            self.fault(JOURNAL, Some(seq), "does not stand in its order");
            return None;
        }
        let record = serde_json::from_str(&item.payload).ok();
        if record.is_none() {
            self.fault(JOURNAL, Some(seq), "is a record that this version does not know");
        }
        record.map(|record| (seq, record))
    }

    fn holds(&mut self, seq: u64, record: &Record) {
        let summary = record.summary();
        let event = if let Record::Lifecycle(lifecycle) = record {
            lifecycle.event.get("event").and_then(serde_json::Value::as_str)
        } else {
            None
        };
        self.records += 1;
        *self.by_kind.entry(summary.kind.to_owned()).or_default() += 1;
        if self.proven.len() < LISTED {
            let what = event.map_or_else(|| summary.kind.to_owned(), |event| format!("{} {event}", summary.kind));
            self.proven.push(Proven { seq, at: summary.at, what });
        }
    }

    /// The files for reading, made again.
    fn views(
        &mut self,
        folder: &Path,
        views: Views<Summed<io::Sink>>,
        sums: &BTreeMap<&'static str, String>,
    ) -> io::Result<()> {
        let (view, decisions) = views.finish()?;
        if small(folder, VIEW)? != view {
            self.fault(VIEW, None, "is not what the records say");
        }
        if sums.get(DECISIONS) != Some(&decisions.finish()?) {
            self.fault(DECISIONS, None, "is not what the records say");
        }
        Ok(())
    }

    /// The events follow one another, each record is what its digest says, and the approvals are signed.
    fn life(&mut self, history: &[StoredEvent]) {
        match exception::fold(history) {
            Ok(exception) if exception.is_genuine(&Genuine(&self.line)) => {}
            Ok(_) => self.fault(JOURNAL, None, "an approval does not bear the signature of the key, or too few do"),
            Err(error) => self.fault(JOURNAL, None, error.to_string()),
        }
    }

    fn finish(self, key_given: bool) -> Verification {
        Verification {
            holds: self.faults.is_empty(),
            exception: self.exception,
            key: self.key.map(|key| key.to_string()),
            key_given,
            signed: self.signed,
            records: self.records,
            by_kind: self.by_kind,
            proven: self.proven,
            faults: self.faults,
        }
    }
}

/// The changes of the signing key in the bundle. They are held against the tree later, as every record.
fn changes(folder: &Path) -> io::Result<Vec<(u64, SigningChange)>> {
    let mut input = BufReader::new(open(folder, JOURNAL)?);
    let mut found = Vec::new();
    loop {
        let mut line = Vec::new();
        if found.len() > LISTED || input.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(found);
        }
        if let Ok(item) = serde_json::from_slice::<Item>(&line) {
            found.extend(KeyLine::change(item.payload.as_bytes()).map(|change| (item.seq, change)));
        }
    }
}

struct Genuine<'a>(&'a KeyLine);

impl exception::Verifier for Genuine<'_> {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature)
    }
}

fn open(folder: &Path, name: &str) -> io::Result<File> {
    let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(no_link).open(folder.join(name))
}

fn small(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(folder, name)?.take(SMALL).read_to_end(&mut bytes)?;
    Ok(bytes)
}
