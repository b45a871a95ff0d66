//! `evidence verify|prove|consistency` on a copy, without a gateway.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    command::Global,
    copies::{ConsistencyArguments, CopyArguments, ProveArguments, VerifyArguments},
    exit::Failure,
    run::operator,
    screen::Screen,
    table::facts,
    witnessed::{self, Witnessed},
};
use crate::{
    domain::limits,
    evidence::{
        Bridge, Checkpoint, GrowthProof, KeyLine, ProofError, Prover, Record, RecordProof, Report, SigningChange,
        VerifyingKey,
    },
    store::{Copied, CopyError},
};

/// Bytes of a proof or a checkpoint that is read.
const TEXT: u64 = 1 << 20;

/// Verifies a copy, or a proof alone; gives the report of a copy.
pub(super) fn verify(
    arguments: &VerifyArguments,
    global: &Global,
    screen: &mut Screen<'_>,
) -> Result<Option<(Report, Option<Witnessed>)>, Failure> {
    let demanded = witnessed::demanded(arguments)?;
    if let Some(file) = &arguments.proof {
        let known = given(&arguments.copy)?;
        if known.is_empty() {
            return Err(no_key());
        }
        let line = KeyLine::of(&known, &changes(arguments.line.as_deref())?);
        if let Some((seq, why)) = line.faults().first() {
            return Err(Failure::Refused(format!("--line, record {seq}: {why}")));
        }
        let (shown, note) = proof(&text(file)?, arguments, &line)?;
        let witnessed = demanded.map(|(keys, quorum)| witnessed::of(&note, (&keys, quorum))).transpose()?;
        return show(&Proven { shown, witnessed }, screen).map(|()| None);
    }
    let copied = open(&arguments.copy, global)?;
    let line = KeyLine::of(&keys(&arguments.copy, &copied)?, &changes(arguments.line.as_deref())?);
    let others: Result<Vec<String>, Failure> = arguments.checkpoint.iter().map(|file| text(file)).collect();
    let mut others = others?;
    let mut witnessed = None;
    if let Some(demanded) = demanded {
        // What bears the cosignatures must be in the copy as all others must.
        others = witnessed::notes(&copied, &place(&arguments.copy, global)?, &others)?;
        witnessed = Some(witnessed::newest(&others, &demanded)?.or_earlier(&copied, &demanded.0)?);
    }
    let report = copied.verify(&line, &others).map_err(|error| failed(&error))?;
    Ok(Some((report, witnessed)))
}

#[derive(Serialize)]
struct Shown {
    shown: &'static str,
    from: u64,
    records: u64,
}

#[derive(Serialize)]
struct Proven {
    #[serde(flatten)]
    shown: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    witnessed: Option<Witnessed>,
}

fn show(proven: &Proven, screen: &mut Screen<'_>) -> Result<(), Failure> {
    screen.show(proven, |Proven { shown, witnessed }| {
        let mut lines = vec![
            ("shown", shown.shown.to_owned()),
            ("record", shown.from.to_string()),
            ("signed", format!("{} records", shown.records)),
        ];
        lines.extend(witnessed.iter().flat_map(Witnessed::lines));
        facts(&lines)
    })?;
    proven.witnessed.as_ref().map_or(Ok(()), Witnessed::holds)
}

/// What a proof shows, and the note under which it stands.
fn proof(text_of: &str, arguments: &VerifyArguments, line: &KeyLine) -> Result<(Shown, String), Failure> {
    let refused = |error: ProofError| Failure::Refused(error.to_string());
    if text_of.starts_with("old ") {
        let [earlier] = arguments.checkpoint.as_slice() else {
            return Err(Failure::Input("name the earlier checkpoint with --checkpoint FILE".to_owned()));
        };
        let growth = GrowthProof::read(text_of).map_err(refused)?;
        let signed = growth.verify(&text(earlier)?, line).map_err(refused)?;
        Ok((Shown { shown: "the log only grew", from: growth.old, records: signed.size }, growth.note))
    } else {
        let found = RecordProof::read(text_of).map_err(refused)?;
        let record = match &arguments.record {
            Some(file) => fs::read(file).map_err(|error| unreadable(file, &error))?,
            None => found.record.clone().ok_or_else(|| refused(ProofError::Record))?,
        };
        let signed = found.verify(&record, line).map_err(refused)?;
        Ok((Shown { shown: "the record is in the log", from: found.seq, records: signed.size }, found.note))
    }
}

/// Prints the proof that a record is in the log.
pub(super) fn prove(arguments: &ProveArguments, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let copied = open(&arguments.copy, global)?;
    let (note, signed) = checkpoint(&copied, arguments.checkpoint.as_deref())?;
    let mut prover = Prover::default();
    let mut found: Option<(u64, Option<Vec<u8>>)> = None;
    let mut gone = 0_u64;
    let read = copied.leaves(signed.size, |leaf| {
        let wanted = match (arguments.seq, &arguments.decision) {
            (Some(seq), _) => leaf.seq == seq,
            (None, Some(decision)) => found.is_none() && leaf.record.as_ref().is_some_and(|r| is_of(r, decision)),
            (None, None) => false,
        };
        prover.push(leaf.hash, wanted);
        gone += u64::from(leaf.record.is_none());
        if wanted {
            found = Some((leaf.seq, leaf.record));
        }
    });
    read.map_err(|error| failed(&error))?;
    if prover.tree().size() != signed.size || prover.tree().root() != signed.root {
        return Err(Failure::Refused("the copy is not what its checkpoint signed; run `evidence verify`".to_owned()));
    }
    let none = || {
        let removed =
            if gone > 0 { format!("; {gone} of them were removed when their time was over") } else { String::new() };
        Failure::Refused(format!("no such record among the {} that were signed{removed}", signed.size))
    };
    let (seq, record) = found.ok_or_else(none)?;
    if record.is_none() && !arguments.hash_only {
        return Err(Failure::Refused(format!(
            "record {seq} was removed when its time was over (`evidence show` tells by which record); \
             whoever kept it proves it with --hash-only, and verifies with --record FILE"
        )));
    }
    let path = prover.proof(seq.saturating_sub(1), prover.tree()).ok_or_else(none)?;
    let proof = RecordProof { record, seq, path, note };
    Ok(screen.out.write_all(proof.write().as_bytes())?)
}

/// Prints the proof that the log only grew since an earlier checkpoint.
pub(super) fn consistency(
    arguments: &ConsistencyArguments,
    global: &Global,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let copied = open(&arguments.copy, global)?;
    let (note, signed) = checkpoint(&copied, None)?;
    let old = Checkpoint::read(&text(&arguments.from)?)
        .map_err(|error| Failure::Input(format!("`{}`: {error}", arguments.from.display())))?;
    let apart =
        || Failure::Refused(format!("the copy has {} records and the earlier checkpoint {}", signed.size, old.size));
    let path = if let Copied::Tiles(folder) = &copied {
        folder.growth(old.size, signed.size).map_err(|error| failed(&error.into()))?.ok_or_else(apart)?
    } else {
        let mut bridge = Bridge::between(old.size, signed.size).ok_or_else(apart)?;
        copied.leaves(signed.size, |leaf| bridge.push(leaf.hash)).map_err(|error| failed(&error))?;
        bridge.proof().ok_or_else(|| Failure::Refused("records are missing in the copy".to_owned()))?
    };
    let proof = GrowthProof { old: old.size, path, note };
    Ok(screen.out.write_all(proof.write().as_bytes())?)
}

fn checkpoint(copied: &Copied, file: Option<&Path>) -> Result<(String, Checkpoint), Failure> {
    let note = match file {
        Some(file) => Some(text(file)?),
        None => copied.newest().map_err(|error| failed(&error))?,
    };
    let note = note.ok_or_else(|| Failure::Refused("the copy has no checkpoint; nothing is signed yet".to_owned()))?;
    let signed = Checkpoint::read(&note).map_err(|error| Failure::Refused(error.to_string()))?;
    Ok((note, signed))
}

fn is_of(record: &[u8], decision: &str) -> bool {
    let record = serde_json::from_slice::<Record>(record).ok();
    record.and_then(|record| record.summary().decision).is_some_and(|found| found.as_str() == decision)
}

fn place(arguments: &CopyArguments, global: &Global) -> Result<PathBuf, Failure> {
    match arguments.path.as_ref().or(arguments.data.as_ref()) {
        Some(path) => Ok(path.clone()),
        None => Ok(operator(global)?.data),
    }
}

pub(super) fn open(arguments: &CopyArguments, global: &Global) -> Result<Copied, Failure> {
    let path = place(arguments, global)?;
    if !path.exists() {
        let said = format!("`{}` is not there; name a data folder, a folder of tiles or an export", path.display());
        return Err(Failure::Input(said));
    }
    Copied::open(&path).map_err(|error| failed(&error))
}

pub(super) fn given(arguments: &CopyArguments) -> Result<Vec<VerifyingKey>, Failure> {
    let read = |said: &String| {
        let said = if said.contains('+') { said.clone() } else { text(&PathBuf::from(said))? };
        said.parse().map_err(|error| Failure::Input(format!("--key: {error}")))
    };
    arguments.key.iter().map(read).collect()
}

fn keys(arguments: &CopyArguments, copied: &Copied) -> Result<Vec<VerifyingKey>, Failure> {
    let mut known = given(arguments)?;
    if known.is_empty() {
        known.extend(copied.key().cloned());
    }
    if known.is_empty() { Err(no_key()) } else { Ok(known) }
}

/// The changes of keys in a file of `evidence keys --changes`.
fn changes(file: Option<&Path>) -> Result<Vec<(u64, SigningChange)>, Failure> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let bad =
        |at: usize| Failure::Input(format!("`{}`: line {} is no change of a signing key", file.display(), at + 1));
    let said = text(file)?;
    let lines = said.lines().take(limits::SIGNING_KEYS + 1).enumerate();
    let read = |(at, line)| {
        let change: SigningChange = serde_json::from_str(line).map_err(|_| bad(at))?;
        Ok((change.seq, change))
    };
    lines.map(read).collect()
}

/// How many records the newest checkpoint of a copy signs; all of them, where it does not matter.
pub(super) fn size(copied: &Copied) -> Result<u64, Failure> {
    if let Copied::Tiles(_) = copied { Ok(checkpoint(copied, None)?.1.size) } else { Ok(u64::MAX) }
}

pub(super) fn no_key() -> Failure {
    Failure::Input(
        "name the log's public key with --key: the file `signing.pub` of the data folder, or its text".to_owned(),
    )
}

pub(super) fn text(file: &Path) -> Result<String, Failure> {
    let facts = fs::metadata(file).map_err(|error| unreadable(file, &error))?;
    if facts.len() > TEXT {
        return Err(Failure::Input(format!("`{}` is too large", file.display())));
    }
    fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Input(format!("`{}` cannot be read: {error}", file.display()))
}

pub(super) fn failed(error: &CopyError) -> Failure {
    if let CopyError::Open(error) = error {
        super::evidence::failed(error)
    } else {
        Failure::Refused(error.to_string())
    }
}
