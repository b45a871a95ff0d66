//! `evidence verify --witness`: who has cosigned a checkpoint, and when.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    copies::VerifyArguments,
    exit::Failure,
    proof::{failed, text},
};
use crate::{
    evidence::{Checkpoint, Cosignature, WitnessKey},
    store::{Copied, NEWEST, TileFolder},
};

/// What witnesses say of one checkpoint.
#[derive(Debug, Serialize)]
pub(super) struct Witnessed {
    /// Records under the checkpoint.
    records: u64,
    /// Cosignatures that are demanded.
    demanded: usize,
    cosignatures: Vec<Cosignature>,
    /// Witnesses in whose name something stands there that does not hold.
    invalid: Vec<String>,
    /// Records under the newest checkpoint that had enough of them, where this one has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier: Option<u64>,
}

/// The witnesses that are demanded, and how many of them; none if nothing is.
pub(super) fn demanded(arguments: &VerifyArguments) -> Result<Option<(Vec<WitnessKey>, usize)>, Failure> {
    let mut keys: Vec<WitnessKey> = Vec::new();
    for said in &arguments.witness {
        let said = if said.contains('+') { said.clone() } else { text(&PathBuf::from(said))? };
        let key: WitnessKey = said.parse().map_err(|error| Failure::Input(format!("--witness: {error}")))?;
        if keys.iter().any(|other| other.is_same_witness(&key)) {
            return Err(Failure::Input(format!(
                "--witness: the key of `{}` is given twice; it counts once",
                key.name()
            )));
        }
        keys.push(key);
    }
    let quorum = arguments.quorum.unwrap_or(keys.len());
    if !keys.is_empty() && quorum == 0 {
        return Err(Failure::Input("--quorum: 0 cosignatures show nothing; ask for at least 1".to_owned()));
    }
    if quorum > keys.len() {
        let said = format!("--quorum: {quorum} of {} witnesses can never be had", keys.len());
        return Err(Failure::Input(said));
    }
    Ok((!keys.is_empty()).then_some((keys, quorum)))
}

/// The notes of a copy that may bear cosignatures: what was given beside it, and what stands with its tiles.
pub(super) fn notes(copied: &Copied, path: &Path, others: &[String]) -> Result<Vec<String>, Failure> {
    let beside = match copied {
        Copied::Tiles(folder) => folder.checkpoint(),
        Copied::Data(_) => TileFolder::new(&path.join("tiles")).checkpoint(),
        Copied::Export(_) => Ok(None),
    };
    let beside = beside.map_err(|error| Failure::Refused(error.to_string()))?;
    Ok(others.iter().cloned().chain(beside).collect())
}

/// What the witnesses say of the newest of these notes.
pub(super) fn newest(notes: &[String], (keys, quorum): &(Vec<WitnessKey>, usize)) -> Result<Witnessed, Failure> {
    let mut best: Option<Witnessed> = None;
    for note in notes {
        let found = of(note, (keys, *quorum))?;
        let better = best
            .as_ref()
            .is_none_or(|best| (found.records, found.cosignatures.len()) > (best.records, best.cosignatures.len()));
        if better {
            best = Some(found);
        }
    }
    best.ok_or_else(|| {
        let said = format!("no cosigned checkpoint is there; give the file `{NEWEST}` of the tiles with --checkpoint");
        Failure::Input(said)
    })
}

/// What the witnesses say of this note.
pub(super) fn of(note: &str, (keys, demanded): (&[WitnessKey], usize)) -> Result<Witnessed, Failure> {
    let signed = Checkpoint::read(note).map_err(|error| Failure::Refused(error.to_string()))?;
    let (mut cosignatures, mut invalid) = (Vec::new(), Vec::new());
    for key in keys {
        match key.find(note) {
            Ok(found) => cosignatures.extend(found),
            Err(_) => invalid.push(key.name().to_owned()),
        }
    }
    Ok(Witnessed { records: signed.size, demanded, cosignatures, invalid, earlier: None })
}

impl Witnessed {
    /// Adds what is known of an earlier checkpoint of these tiles, where this one has too few cosignatures.
    pub(super) fn or_earlier(mut self, copied: &Copied, keys: &[WitnessKey]) -> Result<Self, Failure> {
        if let (Copied::Tiles(folder), Err(_)) = (copied, self.holds())
            && let Some(note) = folder.witnessed().map_err(|error| failed(&error.into()))?
        {
            let found = of(&note, (keys, self.demanded))?;
            self.earlier = found.holds().is_ok().then_some(found.records);
        }
        Ok(self)
    }

    /// Whether they are as many as are demanded.
    pub(super) fn holds(&self) -> Result<(), Failure> {
        let (found, demanded) = (self.cosignatures.len(), self.demanded);
        if found >= demanded && self.invalid.is_empty() {
            return Ok(());
        }
        let mut said = format!(
            "{demanded} {} of the checkpoint over {} records {} demanded, and {found} {} there",
            if demanded == 1 { "cosignature" } else { "cosignatures" },
            self.records,
            if demanded == 1 { "is" } else { "are" },
            if found == 1 { "is" } else { "are" },
        );
        if let Some(records) = self.earlier {
            said.push_str(&format!("; the newest that has them (`checkpoint.witnessed`) covers {records} records"));
        }
        Err(Failure::Refused(said))
    }

    /// One line for each witness.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let count = format!("{} of {} demanded, over {} records", self.cosignatures.len(), self.demanded, self.records);
        let mut lines = vec![("cosigned", count)];
        for one in &self.cosignatures {
            lines.push(("witness", format!("{} at {}", one.witness, one.time.format("%Y-%m-%dT%H:%M:%SZ"))));
        }
        for name in &self.invalid {
            lines.push(("witness", format!("{name}: what stands there DOES NOT HOLD")));
        }
        lines
    }
}
