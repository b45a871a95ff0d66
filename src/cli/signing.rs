//! `evidence keys|rotate|new-key`: the keys that sign the log.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::Body,
    command::Global,
    copies::CopyArguments,
    evidence,
    exit::Failure,
    proof, remote, render,
    screen::Screen,
    table::{facts, printable, table},
};
use crate::{
    api::RotationView,
    app::SystemClock,
    evidence::{Began, KeyLine, LineKey, OldKey},
    store::{Rotation, replace_lost_key},
};

/// Characters of a reason.
const REASON: usize = 2_000;

/// What can be done with the keys that sign the log.
#[derive(Debug, Subcommand)]
pub(super) enum SigningCommand {
    /// List the keys that signed the log, one after another
    Keys(KeysArguments),
    /// Let another key sign from now on; the running gateway makes it and destroys the old one
    Rotate {
        /// Why; it becomes part of the record
        #[arg(long)]
        reason: String,
    },
    /// Make a new key for a data folder whose `signing.key` was lost; the gateway must not run
    NewKey(NewKeyArguments),
}

#[derive(Debug, Args)]
pub(super) struct KeysArguments {
    #[command(flatten)]
    copy: CopyArguments,
    /// Print the signed changes of keys as JSON lines, for `evidence verify --line`
    #[arg(long)]
    changes: bool,
}

#[derive(Debug, Args)]
pub(super) struct NewKeyArguments {
    /// The data folder [default: the one of the configuration]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Say that the old key is lost for good: who verifies is told, and must be given the new key
    #[arg(long, required = true)]
    lost: bool,
    /// Why; it becomes part of the record
    #[arg(long)]
    reason: String,
}

pub(super) fn signing(command: &SigningCommand, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        SigningCommand::Keys(arguments) => keys(arguments, global, screen),
        SigningCommand::Rotate { reason } => {
            let client = remote::connect(global)?;
            let asked = client.post("/api/v1/evidence/rotate", Body::Json(json!({"reason": reason})));
            let view: RotationView = remote::runtime()?.block_on(asked)?;
            Ok(screen.show(&view, said)?)
        }
        SigningCommand::NewKey(arguments) => new_key(arguments, global, screen),
    }
}

fn new_key(arguments: &NewKeyArguments, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let data = evidence::data(arguments.data.as_ref(), global)?;
    let reason = arguments.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON {
        return Err(Failure::Input(format!("give a --reason of at most {REASON} characters")));
    }
    let clock = Arc::new(SystemClock::default());
    let made = replace_lost_key(&data, clock, "operator".to_owned(), reason.to_owned())
        .map_err(|error| evidence::failed(&error))?;
    let Rotation { seq, old, old_key, new, checkpoint } = made;
    Ok(screen.show(&RotationView { seq, old, old_key, new, checkpoint }, said)?)
}

fn said(view: &RotationView) -> String {
    let (old, mend) = match view.old_key {
        OldKey::Destroyed => ("destroyed", ""),
        OldKey::Removed => (
            "removed, NOT OVERWRITTEN",
            "the bytes of the old private key may still be on the disk: guard or replace it\n",
        ),
        OldKey::Left => (
            "NOT DESTROYED",
            "the old private key may still be in the data folder: see the log of the gateway for why, mend that, and restart \
             it, which puts the new key in its place\n",
        ),
        OldKey::Lost => ("lost", ""),
    };
    let mut out = facts(&[
        ("record", view.seq.to_string()),
        ("old key", format!("{} ({old})", view.old)),
        ("new key", view.new.to_string()),
    ]);
    out.push_str(mend);
    out.push_str("give the new key to those who verify, on a way of its own\n");
    out
}

fn keys(arguments: &KeysArguments, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let copied = proof::open(&arguments.copy, global)?;
    let changes = copied.changes(proof::size(&copied)?).map_err(|error| proof::failed(&error))?;
    let mut known = proof::given(&arguments.copy)?;
    if known.is_empty() {
        known.extend(copied.key().cloned());
    }
    let line = KeyLine::of(&known, &changes);
    if arguments.changes {
        for change in line.changes() {
            let text = serde_json::to_string(change).map_err(|error| Failure::Refused(error.to_string()))?;
            writeln!(screen.out, "{text}")?;
        }
        return Ok(screen.out.flush()?);
    }
    let keys = line.keys();
    if keys.is_empty() {
        return Err(proof::no_key());
    }
    let faults: Vec<Value> =
        line.faults().iter().map(|(seq, why)| json!({"seq": seq, "why": why.to_string()})).collect();
    let view = json!({"keys": keys, "faults": faults});
    screen.show(&view, |_| listed(&keys))?;
    match line.faults().first() {
        Some((seq, why)) => Err(Failure::Refused(format!("record {seq}: {why}"))),
        None => Ok(()),
    }
}

fn listed(keys: &[LineKey]) -> String {
    let row = |key: &LineKey| {
        let until = key.until.map_or_else(|| "in force".to_owned(), |until| until.to_string());
        let began = match &key.began {
            Began::First => "with the log".to_owned(),
            Began::Rotated { at, actor, reason } => format!("{} handed over, {actor}: {reason}", render::time(*at)),
            Began::Lost { at, actor, reason } => {
                format!("{} THE KEY BEFORE WAS LOST, {actor}: {reason}", render::time(*at))
            }
        };
        let vouched = if key.vouched { "yes" } else { "NO" };
        [key.key.to_string(), key.from.to_string(), until, vouched.to_owned(), printable(&began)]
    };
    table(["key", "from", "until", "vouched for", "began"], &keys.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SigningKey;

    #[test]
    fn a_key_is_called_destroyed_only_if_it_is() {
        let key = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap().verifying().clone();
        let mut view =
            RotationView { seq: 1, old: key.clone(), old_key: OldKey::Destroyed, new: key, checkpoint: String::new() };
        assert!(said(&view).contains("(destroyed)"));
        for old_key in [OldKey::Removed, OldKey::Left, OldKey::Lost] {
            view.old_key = old_key;
            assert!(!said(&view).contains("(destroyed)"), "{old_key:?}");
        }
        view.old_key = OldKey::Left;
        assert!(said(&view).contains("NOT DESTROYED") && said(&view).contains("restart"));
    }
}
