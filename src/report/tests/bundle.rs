//! A bundle verifies offline, and not when anything in it was changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::support::{House, id, spec};
use crate::{
    domain::{ExceptionId, PersonId},
    evidence::{Alarm, AlarmKind, Record, SigningKey},
    exception::Event,
    report::{Bundle, BundleError, Verification, pack, verify},
};

const FILES: [&str; 7] =
    ["README.md", "SHA256SUMS", "checkpoint.txt", "decisions.csv", "exception.json", "key.txt", "records.jsonl"];

fn alarm(exception: Option<ExceptionId>, house: &House) -> Record {
    let detail = "the control `trace.full` does not work".to_owned();
    Record::Alarm(Alarm { at: house.now(), about: AlarmKind::ControlUnhealthy, exception, decision: None, detail })
}

/// A bundle of EX-1, whose records stand between those of others.
async fn made() -> (House, PathBuf) {
    let house = House::new();
    house.record(alarm(None, &house)).await;
    let charge = house.approved(spec("EX-1")).await;
    let other = house.approved(spec("EX-2")).await;
    for n in 1..8 {
        house.call(n, [Some(&charge), Some(&other), None][usize::try_from(n % 3).unwrap()]).await;
        house.answered(n).await;
    }
    house.refused(20, &charge).await;
    house.events("EX-1", vec![Event::Attested { by: PersonId::from("olga") }]).await;
    house.record(alarm(None, &house)).await;
    house.events("EX-1", vec![Event::Revoked { by: PersonId::from("olga") }]).await;
    house.record(alarm(None, &house)).await;
    house.call(30, None).await;
    let journal = house.closed().await;
    let bundle = Bundle::collect(&journal, &id("EX-1"), journal.0.key()).unwrap();
    assert_eq!(bundle.unsigned(), 0);
    let folder = house.temp.path().join("bundle");
    bundle.write(&journal, &folder).unwrap();
    (house, folder)
}

fn sound(folder: &Path) -> Verification {
    let found = verify(folder, None).unwrap();
    assert!(found.holds, "{:?}", found.faults);
    found
}

/// Puts the digests right, as somebody would who wants a change to go unseen.
fn sum(folder: &Path) {
    let sums = FILES.iter().filter(|name| **name != "SHA256SUMS").map(|name| {
        let digest = crate::domain::Digest::of(&fs::read(folder.join(name)).unwrap()).to_string();
        format!("{}  {name}\n", digest.strip_prefix("sha256:").unwrap())
    });
    fs::write(folder.join("SHA256SUMS"), sums.collect::<String>()).unwrap();
}

fn copy(folder: &Path) -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("copy");
    fs::create_dir(&to).unwrap();
    for name in FILES {
        fs::copy(folder.join(name), to.join(name)).unwrap();
    }
    (temp, to)
}

#[tokio::test]
async fn a_bundle_holds_all_records_of_its_exception_and_verifies_offline() {
    let (house, folder) = made().await;
    let found = sound(&folder);
    assert_eq!(found.exception, Some(id("EX-1")));
    let counts = |kind: &str| found.by_kind.get(kind).copied().unwrap_or_default();
    assert_eq!((counts("lifecycle"), counts("intent"), counts("outcome"), counts("denial")), (6, 2, 2, 1));
    assert_eq!(counts("alarm"), 1, "a control that failed while it lived, and not before or after");
    assert_eq!(found.records, 12);
    assert!(found.signed > found.records);
    let text = fs::read_to_string(folder.join("exception.json")).unwrap();
    let view: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(view["revisions"][0]["record"]["owner"]["human"], "olga");
    assert_eq!(view["approvals"].as_array().unwrap().len(), 2);
    assert_eq!((&view["attestations"][0]["by"], &view["decisions"]["intent"]), (&"olga".into(), &2.into()));
    let key = house.store.keyring().signing.verifying();
    assert!(verify(&folder, Some(&key)).unwrap().holds);
    let other = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
    let refused = verify(&folder, Some(other.verifying())).unwrap();
    assert!(!refused.holds && refused.faults[0].file == "key.txt", "{:?}", refused.faults);
}

/// T106
#[tokio::test]
async fn arguments_stay_sealed_in_a_bundle() {
    let (_house, folder) = made().await;
    for name in FILES {
        assert!(!fs::read_to_string(folder.join(name)).unwrap().contains("canary"), "{name}");
    }
}

/// T104
#[tokio::test]
async fn any_changed_byte_of_any_file_is_refused() {
    let (_house, folder) = made().await;
    for name in FILES {
        let path = folder.join(name);
        let whole = fs::read(&path).unwrap();
        let step = (whole.len() / 60).max(1);
        for at in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            let found = verify(&folder, None).unwrap();
            assert!(!found.holds, "byte {at} of {name}");
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(!verify(&folder, None).unwrap().holds, "the end of {name} is cut off");
        fs::write(&path, &whole).unwrap();
    }
    sound(&folder);
}

#[tokio::test]
async fn a_missing_added_or_linked_file_is_refused() {
    let (_house, folder) = made().await;
    for name in FILES {
        let (_temp, copy) = copy(&folder);
        fs::remove_file(copy.join(name)).unwrap();
        assert!(!verify(&copy, None).unwrap().holds, "{name} is missing");
        std::os::unix::fs::symlink(folder.join(name), copy.join(name)).unwrap();
        assert!(!verify(&copy, None).unwrap().holds, "{name} is a link");
    }
    fs::write(folder.join("more.txt"), "x").unwrap();
    assert!(!verify(&folder, None).unwrap().holds);
}

/// Digests can be made new by anybody; proofs, signatures and what follows from the records cannot.
#[tokio::test]
async fn a_change_with_new_digests_is_refused_all_the_same() {
    let (_house, folder) = made().await;
    type Change = fn(&str) -> String;
    let without =
        |text: &str, part: &str| text.lines().filter(|line| !line.contains(part)).collect::<Vec<_>>().join("\n") + "\n";
    let changes: [(&str, &str, Change); 6] = [
        ("records.jsonl", "not proven", |text| text.replace("\\\"calls\\\":100", "\\\"calls\\\":999")),
        ("records.jsonl", "what the records say", |text| {
            text.lines().rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n") + "\n"
        }),
        ("exception.json", "what the records say", |text| text.replace("olga", "otto")),
        ("decisions.csv", "what the records say", |text| text.replace("granted", "refused")),
        ("checkpoint.txt", "no valid signature", |text| {
            let mut lines: Vec<_> = text.lines().collect();
            lines[1] = "3";
            lines.join("\n") + "\n"
        }),
        ("records.jsonl", "order", |text| text.lines().rev().collect::<Vec<_>>().join("\n") + "\n"),
    ];
    for (name, why, change) in changes {
        let (_temp, copy) = copy(&folder);
        let text = fs::read_to_string(copy.join(name)).unwrap();
        assert_ne!(change(&text), text, "{name}");
        fs::write(copy.join(name), change(&text)).unwrap();
        sum(&copy);
        let found = verify(&copy, None).unwrap();
        assert!(!found.holds && found.faults.iter().any(|fault| fault.what.contains(why)), "{why}: {:?}", found.faults);
    }
    let (_temp, copy) = copy(&folder);
    let text = fs::read_to_string(copy.join("records.jsonl")).unwrap();
    fs::write(copy.join("records.jsonl"), without(&text, "attested")).unwrap();
    sum(&copy);
    let found = verify(&copy, None).unwrap();
    assert!(
        found.faults.iter().any(|fault| fault.what.contains("the history breaks at version 6")),
        "{:?}",
        found.faults
    );
}

#[tokio::test]
async fn a_record_of_another_exception_has_no_place_in_a_bundle() {
    let (house, folder) = made().await;
    let journal = super::support::Journal(crate::store::Inspection::open(&house.dir).unwrap());
    let other = house.temp.path().join("other");
    Bundle::collect(&journal, &id("EX-2"), journal.0.key()).unwrap().write(&journal, &other).unwrap();
    let both =
        [folder.join("records.jsonl"), other.join("records.jsonl")].map(|path| fs::read_to_string(path).unwrap());
    let mut lines: Vec<&str> = both.iter().flat_map(|text| text.lines()).collect();
    let seq = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap();
    lines.sort_by_key(|line| seq(line));
    lines.dedup();
    fs::write(folder.join("records.jsonl"), lines.join("\n") + "\n").unwrap();
    sum(&folder);
    let found = verify(&folder, None).unwrap();
    assert!(found.faults.iter().any(|fault| fault.what == "is not about this exception"), "{:?}", found.faults);
}

#[tokio::test]
async fn an_exception_that_the_journal_does_not_know_has_no_bundle() {
    let house = House::new();
    house.approved(spec("EX-1")).await;
    let journal = house.closed().await;
    let none = Bundle::collect(&journal, &id("EX-9"), journal.0.key());
    assert!(matches!(none, Err(BundleError::Unknown(_))), "{none:?}");
    let bundle = Bundle::collect(&journal, &id("EX-1"), journal.0.key()).unwrap();
    let folder = house.temp.path().join("bundle");
    bundle.write(&journal, &folder).unwrap();
    assert!(matches!(bundle.write(&journal, &folder), Err(BundleError::Write(..))), "nothing is written over");
}

/// T104
#[tokio::test]
async fn no_bundle_is_made_of_a_journal_that_was_changed() {
    let house = House::new();
    house.approved(spec("EX-1")).await;
    let journal = house.closed().await;
    let conn = rusqlite::Connection::open(house.dir.join("postern.db")).unwrap();
    conn.execute("UPDATE journal SET payload = replace(payload, 'anna', 'enno')", []).unwrap();
    let refused = Bundle::collect(&journal, &id("EX-1"), journal.0.key());
    assert!(matches!(refused, Err(BundleError::Broken(_))), "{refused:?}");
}

#[tokio::test]
async fn a_tar_file_unpacks_to_the_same_bundle() {
    let (house, folder) = made().await;
    let tar = house.temp.path().join("EX-1.tar");
    pack(&folder, "EX-1", &tar).unwrap();
    assert_eq!(fs::metadata(&tar).unwrap().len() % 512, 0);
    let unpacked = std::process::Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(house.temp.path()).status();
    let Ok(status) = unpacked else { return };
    assert!(status.success());
    sound(&house.temp.path().join("EX-1"));
    assert!(pack(&folder, "EX-1", &tar).is_err(), "nothing is written over");
}
