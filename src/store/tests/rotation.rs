//! Another key signs the log: in one step with the journal, or not at all, wherever a crash falls.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicI64},
};

use super::support::{HandClock, House, NOON, admit, noon, open, outcome, patient, until_admitted};
use crate::{
    evidence::{
        Breach, Checkpoint, Head, Journal as _, KeyLine, OldKey, Record, Report, SigningChange, SigningKey,
        VerifyingKey, What,
    },
    exception::{Signer as _, Verifier as _},
    gateway::Admission as _,
    store::{
        Against, Copied, Inspection, KeyringError, LogKey, OpenError, Prune, Rotation, job::Done, replace_lost_key,
        store::Terms,
    },
};

fn signing(house: &House) -> &Arc<LogKey> {
    &house.store.keyring().signing
}

async fn rotate(house: &House) -> Rotation {
    house.store.rotate("ada@example.org".to_owned(), "a new quarter".to_owned()).await.unwrap()
}

fn lose(dir: &Path) -> Result<Rotation, OpenError> {
    let clock = Arc::new(HandClock(AtomicI64::new(NOON)));
    replace_lost_key(dir, clock, "operator".to_owned(), "the disk died".to_owned())
}

fn verify(dir: &Path, known: &[VerifyingKey]) -> Report {
    Copied::open(dir).unwrap().verify(&KeyLine::of(known, &[]), &[]).unwrap()
}

fn text(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn after_a_rotation_the_log_has_the_same_name_and_holds_for_who_knows_either_key() {
    let house = House::new();
    house.store.admit(admit(1)).await.unwrap();
    let first = signing(&house).verifying();
    let early = house.store.checkpoint().unwrap();
    let old_file = std::fs::read(house.dir.join("signing.key")).unwrap();
    let done = rotate(&house).await;
    assert_eq!((&done.old, done.new.name()), (&first, first.name()));
    assert_ne!(done.new, first);
    // The old key covers the record of its end.
    assert_eq!(Checkpoint::open(&done.checkpoint, &first).unwrap().size, done.seq);
    house.store.admit(admit(2)).await.unwrap();
    rotate(&house).await;
    house.store.admit(admit(3)).await.unwrap();
    let report = house.store.verify().await.unwrap();
    assert!(report.holds(), "{report:?}");
    assert_eq!(house.store.against(&early).await, Ok(Against::Holds));
    assert_eq!(house.store.against(&done.checkpoint).await, Ok(Against::Holds));
    house.store.close().await;
    let (_temp, dir) = house.after_a_crash();
    for known in [first, done.new, signing(&house).verifying()] {
        let report = verify(&dir, std::slice::from_ref(&known));
        assert!(report.holds() && report.signed == report.records, "{known}: {report:?}");
    }
    for name in ["signing.key", "signing.next", "signing.key.new", "signing.next.new"] {
        let found = std::fs::read(house.dir.join(name)).unwrap_or_default();
        assert!(found != old_file, "the old key is still in {name}");
    }
    assert!(!house.dir.join("signing.next").exists());
    assert_eq!(text(house.dir.join("signing.pub")).trim(), signing(&house).verifying().to_string());
    let (again, _) = open(&dir, patient()).unwrap();
    assert_eq!(again.keyring().signing.line().keys().len(), 3);
    again.close().await;
}

/// T083
#[tokio::test]
async fn what_an_old_key_signed_goes_on_to_hold_and_a_stranger_signed_nothing() {
    let house = House::new();
    let key = Arc::clone(signing(&house));
    let signature = key.sign(b"yes").unwrap();
    for _ in 0..3 {
        rotate(&house).await;
        assert!(key.verify(b"yes", &signature) && !key.verify(b"no", &signature));
    }
    let stranger = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
    assert!(!key.verify(b"yes", &stranger.sign(b"yes")));
}

#[tokio::test]
async fn rotations_and_records_at_once_stay_one_line() {
    let house = House::new();
    let mut tasks = Vec::new();
    for n in 0..4_u128 {
        let store = Arc::clone(&house.store);
        tasks.push(tokio::spawn(async move {
            let _ = store.admit(admit(10 + n)).await.unwrap();
            store.rotate("ada@example.org".to_owned(), format!("turn {n}")).await
        }));
    }
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap().is_ok());
    }
    assert!(done >= 1);
    let report = house.store.verify().await.unwrap();
    assert!(report.holds(), "{report:?}");
    assert_eq!(signing(&house).line().keys().len(), done + 1);
}

/// The folder as each step of a rotation leaves it when the process dies there.
#[tokio::test]
async fn a_crash_at_any_step_leaves_the_old_key_or_the_new_one() {
    let house = House::new();
    let (_before, before) = house.after_a_crash();
    let done = rotate(&house).await;
    house.store.close().await;
    let (_after, after) = house.after_a_crash();
    let put = |from: &Path, name: &str, to: &Path, as_name: &str| {
        std::fs::copy(from.join(name), to.join(as_name)).unwrap();
    };
    // The next key was written, and the journal does not know it.
    put(&after, "signing.key", &before, "signing.next");
    let (store, _) = open(&before, patient()).unwrap();
    assert_eq!(store.keyring().signing.verifying(), done.old);
    assert!(!before.join("signing.next").exists(), "a key that never came into force is destroyed");
    store.close().await;
    // The journal knows it, and the files are as before.
    for step in ["committed", "renamed"] {
        let (_temp, dir) = house.after_a_crash();
        put(&before, "signing.pub", &dir, "signing.pub");
        if step == "committed" {
            put(&after, "signing.key", &dir, "signing.next");
            put(&before, "signing.key", &dir, "signing.key");
        }
        let beside = verify(&dir, &[Inspection::open(&dir).unwrap().key().clone()]);
        assert!(beside.holds(), "{step}: {beside:?}");
        let (store, _) = open(&dir, patient()).unwrap();
        assert_eq!(store.keyring().signing.verifying(), done.new, "{step}");
        assert_eq!(text(dir.join("signing.pub")).trim(), done.new.to_string(), "{step}");
        assert!(!dir.join("signing.next").exists(), "{step}");
        assert!(store.verify().await.unwrap().holds(), "{step}");
        store.close().await;
    }
    // The old key beside a journal that is past it.
    let (_temp, dir) = house.after_a_crash();
    put(&before, "signing.key", &dir, "signing.key");
    assert!(matches!(open(&dir, patient()), Err(OpenError::Keyring(KeyringError::Other))));
}

#[tokio::test]
async fn a_folder_of_before_keeps_the_name_of_its_log() {
    let house = House::new();
    let name = signing(&house).verifying().name().to_owned();
    assert_eq!(text(house.dir.join("origin")).trim(), name);
    let (_temp, dir) = house.after_a_crash();
    std::fs::remove_file(dir.join("origin")).unwrap();
    let (store, _) = open(&dir, patient()).unwrap();
    assert_eq!(store.keyring().signing.verifying().name(), name);
    assert_eq!(text(dir.join("origin")).trim(), name);
    store.close().await;
}

#[tokio::test]
async fn a_lost_key_is_replaced_on_record_and_what_it_signed_goes_on_to_hold() {
    let house = House::new();
    house.store.admit(admit(1)).await.unwrap();
    let (lost, yes) = (signing(&house).verifying(), signing(&house).sign(b"yes").unwrap());
    let refused = lose(&house.dir).unwrap_err();
    assert!(refused.to_string().contains("in use"), "{refused}");
    house.store.close().await;
    let note = house.store.checkpoint().unwrap();
    let (_temp, dir) = house.after_a_crash();
    let kept = lose(&dir).unwrap_err();
    assert!(kept.to_string().contains("`signing.key` is there"), "{kept}");
    std::fs::remove_file(dir.join("signing.key")).unwrap();
    let told = open(&dir, patient()).unwrap_err();
    assert!(told.to_string().contains("evidence new-key --lost"), "{told}");
    let made = lose(&dir).unwrap();
    assert_eq!((&made.old, made.new.name()), (&lost, lost.name()));
    let one = verify(&dir, std::slice::from_ref(&lost));
    assert_eq!((one.holds(), one.breaks[0].seq), (false, made.seq), "{one:?}");
    let both = verify(&dir, &[lost.clone(), made.new.clone()]);
    assert!(both.holds() && both.breaks.len() == 1 && both.signed == made.seq, "{both:?}");
    let (store, _) = open(&dir, patient()).unwrap();
    assert_eq!(store.against(&note).await, Ok(Against::Holds));
    let key = &store.keyring().signing;
    assert!(key.verify(b"yes", &yes) && key.verifying() == made.new);
    let told = store.rows(made.seq, 1).await.unwrap();
    assert!(matches!(serde_json::from_slice(&told[0].payload).unwrap(), Record::Signing(change) if change.is_break()));
    store.close().await;
    let inspection = Inspection::open(&dir).unwrap();
    assert!(KeyLine::of(&[lost], &inspection.changes().unwrap()).faults().is_empty());
}

/// Whoever can write the database cannot make a change of keys that the gateway acts on, nor hide one unseen.
#[tokio::test]
async fn a_change_of_keys_that_was_put_into_the_database_ends_the_start() {
    let house = House::new();
    let done = rotate(&house).await;
    house.store.close().await;
    let (_temp, dir) = house.after_a_crash();
    super::support::meddle(&dir, "UPDATE journal SET kind = 'stop' WHERE kind = 'signing'");
    let hidden = verify(&dir, &[done.old]);
    assert!(hidden.breaches.contains(&Breach::Index { seq: done.seq }), "{hidden:?}");

    let (_temp, dir) = house.after_a_crash();
    let last = house.store.rows(1, 100).await.unwrap().pop().unwrap();
    let thief = SigningKey::named(SigningKey::generate().unwrap().expose(), done.new.name()).unwrap();
    let what = What { at: noon(), seq: last.seq + 1, actor: "operator".to_owned(), reason: "lost".to_owned() };
    let forged = Record::Signing(SigningChange::lost(what, &done.new, &thief).unwrap()).encode().unwrap();
    let head = Head { seq: last.seq, chain: last.chain }.next(&forged);
    let conn = rusqlite::Connection::open(dir.join("postern.db")).unwrap();
    let (seq, forged) = (head.seq.cast_signed(), String::from_utf8(forged).unwrap());
    let sql = "INSERT INTO journal (seq, kind, chain, payload) VALUES (?1, 'signing', ?2, ?3)";
    conn.execute(sql, rusqlite::params![seq, head.chain, forged]).unwrap();
    conn.execute("UPDATE head SET seq = ?1, chain = ?2", rusqlite::params![seq, head.chain]).unwrap();
    drop(conn);
    assert!(matches!(open(&dir, patient()), Err(OpenError::Keyring(KeyringError::Other))));
    // Nor does the loss of the key make the forged one ours.
    std::fs::remove_file(dir.join("signing.key")).unwrap();
    assert!(matches!(lose(&dir), Err(OpenError::Keyring(KeyringError::Content("signing.pub")))));
}

/// A rotation that cannot be committed leaves the old key, and its next try works.
#[tokio::test]
async fn a_rotation_that_cannot_be_written_leaves_the_old_key_in_force() {
    let house = House::new();
    let before = signing(&house).verifying();
    let holder = rusqlite::Connection::open(house.dir.join("postern.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = house.store.rotate("ada@example.org".to_owned(), "now".to_owned()).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(signing(&house).verifying(), before);
    holder.execute_batch("ROLLBACK").unwrap();
    until_admitted(&house.store, 1).await;
    assert!(!house.dir.join("signing.next").exists());
    let changes = house.store.keyring().signing.line().changes().len();
    if changes == 0 {
        assert_eq!(signing(&house).verifying(), before);
    }
    let done = rotate(&house).await;
    assert_eq!(signing(&house).verifying(), done.new);
    let report = house.store.verify().await.unwrap();
    assert!(report.holds(), "{report:?}");
}

/// The files could not be put in place, though the journal has the change: the next change does it first.
#[tokio::test]
async fn a_key_that_is_in_force_and_not_yet_in_its_place_is_not_overwritten_by_the_next() {
    let house = House::new();
    let first = std::fs::read(house.dir.join("signing.key")).unwrap();
    let one = rotate(&house).await;
    // As if nothing had been renamed.
    std::fs::rename(house.dir.join("signing.key"), house.dir.join("signing.next")).unwrap();
    std::fs::write(house.dir.join("signing.key"), first).unwrap();
    std::fs::set_permissions(house.dir.join("signing.key"), PermissionsExt::from_mode(0o600)).unwrap();
    let two = rotate(&house).await;
    assert_eq!(two.old, one.new);
    house.store.close().await;
    let (_temp, dir) = house.after_a_crash();
    let (store, _) = open(&dir, patient()).unwrap();
    assert_eq!(store.keyring().signing.verifying(), two.new);
    assert!(store.verify().await.unwrap().holds());
    store.close().await;
}

/// What is signed in the transaction of a rotation, behind its record, bears the new key.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_and_a_removal_in_one_commit_leave_a_log_that_opens() {
    let house = House::new();
    for n in 10..200 {
        house.store.admit(admit(n)).await.unwrap();
        house.store.append(outcome(n)).await.unwrap();
    }
    let checkpoint = super::support::signed(&house.store).await;
    let before = noon() + chrono::TimeDelta::days(1);
    let asked = Prune { before, days: 1, checkpoint, floor: u64::MAX, actor: "ada".to_owned() };
    let (begun, waits) = std::sync::mpsc::channel();
    let (go, held) = std::sync::mpsc::channel::<()>();
    let store = Arc::clone(&house.store);
    let busy = tokio::spawn(async move {
        let work = move |_: &mut crate::store::ledger::Ledger| {
            begun.send(()).unwrap();
            held.recv().unwrap();
            Ok(Done::plain(()))
        };
        store.ask(Terms::PATIENT, work).await
    });
    tokio::task::spawn_blocking(move || waits.recv().unwrap()).await.unwrap();
    // Both wait while the writer is busy, so that they are one batch.
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        go.send(()).unwrap();
    };
    let (done, said, ()) = tokio::join!(rotate(&house), house.store.prune(asked), release);
    busy.await.unwrap().unwrap();
    assert!(said.unwrap().is_some());
    let note = house.store.checkpoint().unwrap();
    assert_eq!(Checkpoint::open(&note, &done.new).unwrap().size, done.seq + 1, "one batch, signed by the new key");
    let report = house.store.verify().await.unwrap();
    assert!(report.holds(), "{report:?}");
    while !house.store.is_scrubbed() {
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let (_temp, dir) = house.after_a_crash();
    let (store, _) = open(&dir, patient()).unwrap();
    assert_eq!(store.keyring().signing.verifying(), done.new);
    store.close().await;
}

/// T103
#[tokio::test]
async fn a_next_key_that_is_overwritten_and_not_removed_yet_does_not_end_the_start() {
    let house = House::new();
    house.store.close().await;
    for rotated in [false, true] {
        let (_temp, dir) = house.after_a_crash();
        if rotated {
            let (store, _) = open(&dir, patient()).unwrap();
            store.rotate("ada@example.org".to_owned(), "now".to_owned()).await.unwrap();
            store.close().await;
        }
        std::fs::copy(dir.join("signing.key"), dir.join("signing.next")).unwrap();
        std::fs::write(dir.join("signing.next"), [0; 85]).unwrap();
        let (store, _) = open(&dir, patient()).unwrap();
        assert!(!dir.join("signing.next").exists());
        store.close().await;
        drop(store);
        // The only key there is stays an error, as it is.
        std::fs::rename(dir.join("signing.key"), dir.join("signing.next")).unwrap();
        std::fs::write(dir.join("signing.next"), [0; 85]).unwrap();
        assert!(matches!(open(&dir, patient()), Err(OpenError::Keyring(KeyringError::Content("signing.next")))));
    }
}

#[tokio::test]
async fn a_rotation_says_whether_the_old_key_is_destroyed() {
    let house = House::new();
    assert_eq!(rotate(&house).await.old_key, OldKey::Destroyed);
    // Nothing can take the place of a folder.
    let away = house.dir.join("away");
    std::fs::rename(house.dir.join("signing.key"), &away).unwrap();
    std::fs::create_dir(house.dir.join("signing.key")).unwrap();
    let done = rotate(&house).await;
    assert_eq!(done.old_key, OldKey::Left);
    std::fs::remove_dir(house.dir.join("signing.key")).unwrap();
    std::fs::rename(&away, house.dir.join("signing.key")).unwrap();
    house.store.close().await;
    let (_temp, dir) = house.after_a_crash();
    let (store, _) = open(&dir, patient()).unwrap();
    assert_eq!(store.keyring().signing.verifying(), done.new);
    store.close().await;
}
