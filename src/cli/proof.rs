//! `evidence verify|prove|consistency` on a copy, without a gateway.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    command::{ConsistencyArguments, CopyArguments, Global, ProveArguments, VerifyArguments},
    exit::Failure,
    run::operator,
    screen::Screen,
    table::facts,
    witnessed::{self, Witnessed},
};
use crate::{
    evidence::{Bridge, Checkpoint, GrowthProof, ProofError, Prover, Record, RecordProof, Report, VerifyingKey},
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
        let key = given(&arguments.copy)?.ok_or_else(no_key)?;
        let (shown, note) = proof(&text(file)?, arguments, &key)?;
        let witnessed = demanded.map(|(keys, quorum)| witnessed::of(&note, (&keys, quorum))).transpose()?;
        return show(&Proven { shown, witnessed }, screen).map(|()| None);
    }
    let copied = open(&arguments.copy, global)?;
    let key = key(&arguments.copy, &copied)?;
    let others: Result<Vec<String>, Failure> = arguments.checkpoint.iter().map(|file| text(file)).collect();
    let mut others = others?;
    let mut witnessed = None;
    if let Some(demanded) = demanded {
        // What bears the cosignatures must be in the copy as all others must.
        others = witnessed::notes(&copied, &place(&arguments.copy, global)?, &others)?;
        witnessed = Some(witnessed::newest(&others, &demanded)?.or_earlier(&copied, &demanded.0)?);
    }
    let report = copied.verify(&key, &others).map_err(|error| failed(&error))?;
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
fn proof(text_of: &str, arguments: &VerifyArguments, key: &VerifyingKey) -> Result<(Shown, String), Failure> {
    let refused = |error: ProofError| Failure::Refused(error.to_string());
    if text_of.starts_with("old ") {
        let [earlier] = arguments.checkpoint.as_slice() else {
            return Err(Failure::Input("name the earlier checkpoint with --checkpoint FILE".to_owned()));
        };
        let growth = GrowthProof::read(text_of).map_err(refused)?;
        let signed = growth.verify(&text(earlier)?, key).map_err(refused)?;
        Ok((Shown { shown: "the log only grew", from: growth.old, records: signed.size }, growth.note))
    } else {
        let found = RecordProof::read(text_of).map_err(refused)?;
        let record = match &arguments.record {
            Some(file) => fs::read(file).map_err(|error| unreadable(file, &error))?,
            None => found.record.clone().ok_or_else(|| refused(ProofError::Record))?,
        };
        let signed = found.verify(&record, key).map_err(refused)?;
        Ok((Shown { shown: "the record is in the log", from: found.seq, records: signed.size }, found.note))
    }
}

/// Prints the proof that a record is in the log.
pub(super) fn prove(arguments: &ProveArguments, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let copied = open(&arguments.copy, global)?;
    let (note, signed) = checkpoint(&copied, arguments.checkpoint.as_deref())?;
    let mut prover = Prover::default();
    let mut found: Option<(u64, Option<Vec<u8>>)> = None;
    let read = copied.leaves(signed.size, |leaf| {
        let wanted = match (arguments.seq, &arguments.decision) {
            (Some(seq), _) => leaf.seq == seq,
            (None, Some(decision)) => found.is_none() && leaf.record.as_ref().is_some_and(|r| is_of(r, decision)),
            (None, None) => false,
        };
        prover.push(leaf.hash, wanted);
        if wanted {
            found = Some((leaf.seq, leaf.record));
        }
    });
    read.map_err(|error| failed(&error))?;
    if prover.tree().size() != signed.size || prover.tree().root() != signed.root {
        return Err(Failure::Refused("the copy is not what its checkpoint signed; run `evidence verify`".to_owned()));
    }
    let none = || Failure::Refused(format!("no such record among the {} that were signed", signed.size));
    let (seq, record) = found.ok_or_else(none)?;
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

fn open(arguments: &CopyArguments, global: &Global) -> Result<Copied, Failure> {
    let path = place(arguments, global)?;
    if !path.exists() {
        let said = format!("`{}` is not there; name a data folder, a folder of tiles or an export", path.display());
        return Err(Failure::Input(said));
    }
    Copied::open(&path).map_err(|error| failed(&error))
}

fn given(arguments: &CopyArguments) -> Result<Option<VerifyingKey>, Failure> {
    let Some(said) = &arguments.key else { return Ok(None) };
    let said = if said.contains('+') { said.clone() } else { text(&PathBuf::from(said))? };
    said.parse().map(Some).map_err(|error| Failure::Input(format!("--key: {error}")))
}

fn key(arguments: &CopyArguments, copied: &Copied) -> Result<VerifyingKey, Failure> {
    given(arguments)?.or_else(|| copied.key().cloned()).ok_or_else(no_key)
}

fn no_key() -> Failure {
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
