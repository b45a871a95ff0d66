//! Opening: what a crash left, what was changed meanwhile, and whose folder it is.

use std::os::unix::fs::PermissionsExt as _;

use super::support::{House, NOON, admit, admit_under, approved, meddle, open, outcome, patient};
use crate::{
    domain::DecisionId,
    evidence::{Breach, KeyLine, Line, Record, Verifier},
    gateway::Admission as _,
    store::{Against, Inspection, LoadError, OpenError},
};

/// T103
#[tokio::test]
async fn a_crash_loses_nothing_that_was_acknowledged_and_names_what_has_no_outcome() {
    let house = House::new();
    for n in 1..=3 {
        house.store.admit(admit(n)).await.unwrap();
    }
    house.store.record(outcome(2)).await.unwrap();
    let (_temp, dir) = house.after_a_crash();

    let (store, recovery) = open(&dir, patient()).unwrap();
    assert_eq!(recovery.records, 5);
    assert_eq!(recovery.unknown, [DecisionId::from_bits(1), DecisionId::from_bits(3)]);
    assert_eq!(recovery.latest.unwrap().timestamp_millis(), NOON);
    let report = store.verify().await.unwrap();
    assert!(report.holds() && report.open.is_empty(), "{report:?}");
    store.close().await;
    drop(store);

    let (_store, recovery) = open(&dir, patient()).unwrap();
    assert_eq!(recovery.unknown, [], "they are named once");
}

/// T104
#[tokio::test]
async fn a_row_that_was_changed_is_named_and_the_store_does_not_open() {
    let house = House::new();
    for n in 1..=4 {
        house.store.admit(admit(n)).await.unwrap();
    }
    let (_temp, dir) = house.after_a_crash();
    meddle(&dir, "DELETE FROM checkpoint WHERE size > 1");
    meddle(&dir, "UPDATE journal SET payload = replace(payload, 'agent-1', 'agent-2') WHERE seq = 3");
    let report = {
        let inspection = Inspection::open(&dir).unwrap();
        inspection.verify(&KeyLine::single(inspection.key()), &[]).unwrap()
    };
    assert_eq!(report.breaches, [Breach::Changed { seq: 3 }]);
    let error = open(&dir, patient()).unwrap_err();
    assert!(matches!(error, OpenError::Load(LoadError::Broken(Breach::Changed { seq: 3 }))), "{error}");
    assert!(error.to_string().contains("record 3 was changed"));
}

/// T104
#[tokio::test]
async fn a_tail_that_was_cut_is_named_and_the_store_does_not_open() {
    let house = House::new();
    for n in 1..=4 {
        house.store.admit(admit(n)).await.unwrap();
    }
    house.store.close().await;
    let (_temp, dir) = house.after_a_crash();
    meddle(&dir, "DELETE FROM journal WHERE seq > 3");
    let error = open(&dir, patient()).unwrap_err();
    assert!(matches!(error, OpenError::Load(LoadError::Broken(Breach::Truncated { have: 3, signed: 6 }))), "{error}");
    // Without the checkpoints, the table of the head still tells.
    meddle(&dir, "DELETE FROM checkpoint");
    let error = open(&dir, patient()).unwrap_err();
    assert!(matches!(error, OpenError::Load(LoadError::Broken(Breach::Missing { from: 4, to: 6 }))), "{error}");
    let inspection = Inspection::open(&dir).unwrap();
    let note = house.store.checkpoint().unwrap().to_string();
    let report = inspection.verify(&KeyLine::single(inspection.key()), &[note]).unwrap();
    assert_eq!(report.breaches, [Breach::Truncated { have: 3, signed: 6 }]);
}

/// T104
#[tokio::test]
async fn an_index_that_was_changed_is_found() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    house.store.admit(admit_under(1, &charge)).await.unwrap();
    meddle(&house.dir, "UPDATE journal SET exception = NULL WHERE kind = 'intent'");
    assert_eq!(house.store.verify().await.unwrap().breaches, [Breach::Index { seq: 6 }]);
}

#[tokio::test]
async fn a_use_counter_that_was_changed_is_counted_anew_and_alarmed() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    for n in 1..=3 {
        house.store.admit(admit_under(n, &charge)).await.unwrap();
    }
    house.store.close().await;
    let (_temp, dir) = house.after_a_crash();
    meddle(&dir, "UPDATE uses SET used = 0");
    let (store, recovery) = open(&dir, patient()).unwrap();
    assert_eq!(recovery.recounted, std::slice::from_ref(&charge.exception));
    let rows = store.rows(recovery.records + 1, 10).await.unwrap();
    assert!(rows.iter().any(|row| String::from_utf8_lossy(&row.payload).contains("budget_changed")));
    for n in 4..=5 {
        store.admit(admit_under(n, &charge)).await.unwrap();
    }
    assert!(store.admit(admit_under(6, &charge)).await.is_err());
}

/// T174
#[tokio::test]
async fn one_folder_belongs_to_one_process_and_to_its_owner_alone() {
    let house = House::new();
    assert!(matches!(open(&house.dir, patient()), Err(OpenError::Folder(crate::store::FolderError::Locked(_)))));
    house.store.close().await;
    let (_temp, dir) = house.after_a_crash();
    let mode = |name: &str| std::fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    for name in ["postern.db", "pepper", "seal.key", "signing.key", "signing.pub", "postern.lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    for name in ["postern.db", "pepper", "."] {
        let path = dir.join(name);
        let before = std::fs::metadata(&path).unwrap().permissions();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o744)).unwrap();
        let error = open(&dir, patient()).unwrap_err();
        assert!(format!("{error:?}").contains("Mode"), "{name}: {error:?}");
        std::fs::set_permissions(&path, before).unwrap();
    }
    std::fs::rename(dir.join("postern.db"), dir.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(dir.join("elsewhere"), dir.join("postern.db")).unwrap();
    assert!(format!("{:?}", open(&dir, patient()).unwrap_err()).contains("Kind"));
}

#[tokio::test]
async fn a_store_whose_key_is_gone_does_not_open_with_a_new_one() {
    let house = House::new();
    let (_temp, dir) = house.after_a_crash();
    std::fs::remove_file(dir.join("signing.key")).unwrap();
    let error = open(&dir, patient()).unwrap_err();
    assert!(error.to_string().contains("`signing.key` is missing"), "{error}");
}

#[tokio::test]
async fn an_export_is_verified_without_the_store() {
    let house = House::new();
    house.store.admit(admit(1)).await.unwrap();
    house.store.close().await;
    let inspection = Inspection::open(&house.dir).unwrap();
    let mut lines = Vec::new();
    inspection
        .export(1, |line| {
            lines.push(line.write().unwrap());
            Ok(())
        })
        .unwrap();
    let read: Vec<_> = lines.iter().map(|line| Line::read(line).unwrap()).collect();
    let notes =
        read.iter().filter_map(|line| if let Line::Checkpoint(note) = line { Some(note.as_str()) } else { None });
    let mut verifier = Verifier::new(&KeyLine::single(inspection.key()), notes);
    for line in &read {
        if let Line::Row(row) = line {
            verifier.row(row);
        }
    }
    let report = verifier.finish();
    assert!(report.holds() && report.signed == 3 && report.open.len() == 1, "{report:?}");
}

#[tokio::test]
async fn start_and_end_are_on_record() {
    let house = House::new();
    house.store.close().await;
    assert!(matches!(house.records().await.as_slice(), [Record::Start(_), Record::Stop(_)]));
    assert!(house.recovery.latest.is_none());
}

#[tokio::test]
async fn an_old_copy_is_behind_a_checkpoint_that_left_the_machine() {
    let house = House::new();
    house.store.admit(admit(1)).await.unwrap();
    let (_temp, old) = house.after_a_crash();
    for n in 2..=9 {
        house.store.admit(admit(n)).await.unwrap();
    }
    house.store.close().await;
    let note = house.store.checkpoint().unwrap();
    assert_eq!(house.store.against(&note).await, Ok(Against::Holds));
    let (restored, _) = open(&old, patient()).unwrap();
    assert_eq!(restored.against(&note).await, Ok(Against::Behind { have: 4, signed: 11 }));
    for n in 2..=9 {
        restored.admit(admit(n)).await.unwrap();
    }
    assert_eq!(restored.against(&note).await, Ok(Against::Forked));
    assert!(restored.against("nothing").await.is_err());
}
