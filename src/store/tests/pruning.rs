//! Traffic is removed under a signed checkpoint, with a record that says so, and nothing else changes.

use std::time::Duration;

use chrono::TimeDelta;

use super::support::{House, admit, admit_under, approved, meddle, noon, open, outcome, patient};
use crate::{
    domain::DecisionId,
    evidence::{Breach, Checkpoint, Journal as _, JournalError, KeyLine, Record, Report, Retention, TRAFFIC},
    gateway::Admission as _,
    store::{Copied, Inspection, Prune, Store, TileFolder, TileWriter, job::Done, ledger::Ledger, store::Terms},
};

const CANARY: &str = "a-name-that-must-go";

/// Calls with their outcomes; each outcome carries the canary.
async fn traffic(store: &Store, from: u128, calls: u128) {
    for n in from..from + calls {
        store.admit(admit(n)).await.unwrap();
        let Record::Outcome(mut ended) = outcome(n) else { panic!("an outcome") };
        ended.detail = Some(format!("{CANARY} {n}."));
        store.append(Record::Outcome(ended)).await.unwrap();
    }
}

/// The newest checkpoint, once it signs everything.
async fn signed(store: &Store) -> String {
    for _ in 0..400 {
        let (note, head) = (store.checkpoint(), *store.head().borrow());
        if let Some(note) = note.filter(|note| Checkpoint::read(note).unwrap().size == head) {
            return note.to_string();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no checkpoint signs everything")
}

async fn asked(store: &Store) -> Prune {
    let checkpoint = signed(store).await;
    Prune { before: noon() + TimeDelta::days(1), days: 1, checkpoint, floor: u64::MAX, actor: "ada".to_owned() }
}

async fn all(store: &Store, asked: &Prune) -> Vec<Retention> {
    let mut found = Vec::new();
    while let Some(said) = store.prune(asked.clone()).await.unwrap() {
        found.push(said);
    }
    found
}

fn verified(dir: &std::path::Path) -> crate::evidence::Report {
    let inspection = Inspection::open(dir).unwrap();
    inspection.verify(&KeyLine::single(inspection.key()), &[]).unwrap()
}

async fn scrubbed(store: &Store) {
    for _ in 0..200 {
        if store.is_scrubbed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the log was not emptied")
}

fn holds(dir: &std::path::Path, text: &str) -> bool {
    let files = ["postern.db", "postern.db-wal"].map(|name| std::fs::read(dir.join(name)).unwrap_or_default());
    files.iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// Writes the whole journal as tiles.
async fn tiles(store: &Store, dir: &std::path::Path) -> TileFolder {
    let note = signed(store).await;
    let mut writer = TileWriter::resume(dir).unwrap();
    let from = writer.wants();
    store.rows(from, 100_000).await.unwrap().iter().for_each(|row| writer.take(row).unwrap());
    writer.publish(&note, &Checkpoint::read(&note).unwrap()).unwrap();
    TileFolder::new(dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_goes_governance_stays_and_everything_still_verifies() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    house.store.admit(admit_under(1, &charge)).await.unwrap();
    house.store.append(outcome(1)).await.unwrap();
    traffic(&house.store, 10, 650).await;
    let before = house.store.rows(1, 10_000).await.unwrap();

    let said = all(&house.store, &asked(&house.store).await).await;
    assert_eq!(
        said.iter().map(|said| (said.from, said.through)).collect::<Vec<_>>(),
        [(1, 512), (513, 1024), (1025, 1280)]
    );
    let removed: u64 = said.iter().map(|said| said.count).sum();
    let after = house.store.rows(1, 10_000).await.unwrap();
    for (was, is) in before.iter().zip(&after) {
        let kind = was.index.as_ref().unwrap().kind.clone();
        assert_eq!((was.seq, was.chain, was.leaf(), &was.index), (is.seq, is.chain, is.leaf(), &is.index));
        assert_eq!(is.pruned().is_some(), was.seq <= 1280 && TRAFFIC.contains(&kind.as_str()), "{kind} {}", was.seq);
    }
    let told = house.store.decision(&DecisionId::from_bits(20)).await;
    assert!(matches!(told, Err(JournalError::Removed { by, .. }) if by > 1280), "{told:?}");
    assert_eq!(house.store.last_use(&charge.exception).await.unwrap(), Some(noon()));
    assert_eq!(house.store.charged_before(&charge.exception, u64::MAX >> 1).await.unwrap(), 1);
    assert_eq!(house.store.since(&charge.exception, 1).await.unwrap().calls, 1);

    let report = verified(&house.dir);
    assert!(report.holds(), "{:?}", report.breaches);
    assert_eq!(report.pruned, removed);
    house.store.close().await;
    let (_temp, dir) = house.after_a_crash();
    let (store, recovery) = open(&dir, patient()).unwrap();
    assert!(recovery.recounted.is_empty() && recovery.unknown.is_empty() && recovery.changed.is_empty());
    for n in 2..6 {
        store.admit(admit_under(n, &charge)).await.unwrap();
    }
    assert!(store.admit(admit_under(6, &charge)).await.is_err(), "the budget is what it was");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_what_was_removed_are_in_no_file_of_the_database() {
    let house = House::new();
    traffic(&house.store, 10, 400).await;
    let held = |n: u128| holds(&house.dir, &format!("{CANARY} {n}."));
    assert!(held(10) && held(264) && held(300));
    let mut asked = asked(&house.store).await;
    asked.floor = 700;
    let removed: u64 = all(&house.store, &asked).await.iter().map(|said| said.count).sum();
    assert_eq!(removed, 511);
    scrubbed(&house.store).await;
    // The start is record 1, and the outcome of call n is record 2n - 17.
    assert_eq!((10..=264).filter(|n| held(*n)).collect::<Vec<_>>(), [0_u128; 0]);
    assert!((265..410).all(held));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_leaves_the_log_although_nobody_waited_for_the_answer() {
    let house = House::new();
    traffic(&house.store, 10, 400).await;
    let asked = Prune { floor: 700, ..asked(&house.store).await };
    let busy = |ms: u64| {
        let store = std::sync::Arc::clone(&house.store);
        let work = move |_: &mut Ledger| {
            std::thread::sleep(Duration::from_millis(ms));
            Ok(Done::plain(()))
        };
        tokio::spawn(async move { store.ask(Terms::PATIENT, work).await })
    };
    // One transaction holds the removal and what is slow behind it.
    let before = busy(400);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let store = std::sync::Arc::clone(&house.store);
    let pruning = tokio::spawn(async move { store.prune(asked).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let behind = busy(1_000);
    before.await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    pruning.abort();
    assert!(pruning.await.unwrap_err().is_cancelled());
    behind.await.unwrap().unwrap();
    assert_eq!(house.store.gone().await.unwrap().map(|gone| gone.through), Some(512));
    scrubbed(&house.store).await;
    assert!(!holds(&house.dir, &format!("{CANARY} 10.")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_young_open_unread_or_told_on_later_stays() {
    let house = House::new();
    traffic(&house.store, 10, 400).await;
    let asked = asked(&house.store).await;
    let young = Prune { before: noon(), ..asked.clone() };
    assert_eq!(house.store.prune(young).await, Ok(None));
    let unread = Prune { floor: 255, ..asked.clone() };
    assert_eq!(house.store.prune(unread).await, Ok(None));
    let other = Checkpoint { size: 400, root: [7; 32] }.sign(&house.store.keyring().signing.state().key);
    let forged = Prune { checkpoint: other, ..asked.clone() };
    assert!(house.store.prune(forged).await.is_err());
    // A call that is open holds back its bundle and all behind it.
    let open = admit(9_000);
    house.store.admit(open).await.unwrap();
    traffic(&house.store, 1_000, 200).await;
    let asked = Prune { checkpoint: signed(&house.store).await, ..asked };
    assert_eq!(all(&house.store, &asked).await.last().map(|said| said.through), Some(768));
    // Its outcome stands behind the floor: the export will want the beginning.
    house.store.append(outcome(9_000)).await.unwrap();
    let head = *house.store.head().borrow();
    let asked = Prune { checkpoint: signed(&house.store).await, floor: head - 1, ..asked };
    assert_eq!(house.store.prune(asked.clone()).await, Ok(None));
    let asked = Prune { floor: head, ..asked };
    assert_eq!(all(&house.store, &asked).await.last().map(|said| said.through), Some(head / 256 * 256));
}

/// T104
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_removed_without_cover_is_a_breach() {
    let house = House::new();
    let charge = approved(&house.store, 5).await;
    drop(charge);
    traffic(&house.store, 10, 300).await;
    all(&house.store, &asked(&house.store).await).await;
    let rows = house.store.rows(1, 1_000).await.unwrap();
    house.store.close().await;
    assert!(verified(&house.dir).holds());
    let swap = |seq: u64, kind: &str| {
        let row = rows.iter().find(|row| row.seq == seq).unwrap();
        let hash = crate::evidence::Pruned::of(&row.payload, kind, noon(), 600).unwrap();
        let hash = String::from_utf8(hash).unwrap();
        meddle(&house.dir, &format!("UPDATE journal SET payload = '{hash}' WHERE seq = {seq}"));
    };
    // A record of traffic behind the last that was covered, and one of governance among those that were.
    swap(560, "intent");
    let lifecycle = rows.iter().find(|row| row.index.as_ref().unwrap().kind == "lifecycle").unwrap().seq;
    swap(lifecycle, "lifecycle");
    let breaches = verified(&house.dir).breaches;
    assert!(breaches.contains(&Breach::Missing { from: 560, to: 560 }), "{breaches:?}");
    assert!(breaches.contains(&Breach::Missing { from: lifecycle, to: lifecycle }), "{breaches:?}");
    // Calling it traffic does not help: the record that covers names each.
    swap(lifecycle, "intent");
    meddle(&house.dir, &format!("UPDATE journal SET kind = 'intent' WHERE seq = {lifecycle}"));
    assert!(verified(&house.dir).breaches.contains(&Breach::Missing { from: lifecycle, to: lifecycle }));
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_of_tiles_go_and_hashes_stay() {
    let house = House::new();
    traffic(&house.store, 10, 300).await;
    let dir = house.dir.join("tiles");
    let folder = tiles(&house.store, &dir).await;
    let said = all(&house.store, &asked(&house.store).await).await;
    let through = said.last().unwrap().through;
    // Without the record that says so, a bundle that is gone is a breach.
    folder.forget([0]).unwrap();
    let key = house.store.keyring().signing.line();
    let copied = || Copied::open(&dir).unwrap().verify(&key, &[]).unwrap();
    assert_eq!(copied().breaches, [Breach::Missing { from: 1, to: 256 }]);
    folder.forget(0..through / 256).unwrap();
    tiles(&house.store, &dir).await;
    let report = copied();
    assert!(report.holds() && report.pruned == 512, "{report:?}");
    folder.forget([2]).unwrap();
    assert!(!copied().holds(), "a bundle behind it may not go");
    // Tiles that are made anew from the journal hold no bundle of what is gone.
    std::fs::remove_dir_all(&dir).unwrap();
    tiles(&house.store, &dir).await;
    assert!(copied().holds() && !dir.join("tile/entries/000").exists() && !dir.join("tile/entries/001").exists());
}

/// Whoever knows one key of the line goes on to verify tiles whose bundles with its changes are gone.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_keys_outlive_their_bundles_and_the_tiles_verify_with_any_key() {
    let house = House::new();
    let old = house.store.keyring().signing.verifying();
    let turn = async |from| {
        traffic(&house.store, from, 150).await;
        house.store.rotate("ada".to_owned(), "each quarter".to_owned()).await.unwrap()
    };
    let (one, two) = (turn(10).await, turn(200).await);
    traffic(&house.store, 400, 200).await;
    let dir = house.dir.join("tiles");
    let folder = tiles(&house.store, &dir).await;
    let through = all(&house.store, &asked(&house.store).await).await.last().unwrap().through;
    assert!(one.seq < two.seq && two.seq < through, "{} {} {through}", one.seq, two.seq);
    let known = [old, one.new.clone(), two.new];
    let verified = || {
        let copied = Copied::open(&dir).unwrap();
        known.iter().map(move |key| copied.verify(&KeyLine::single(key), &[])).collect::<Vec<_>>()
    };
    folder.forget(0..through / 256).unwrap();
    for anew in [false, true] {
        if anew {
            std::fs::remove_dir_all(&dir).unwrap();
        }
        tiles(&house.store, &dir).await;
        assert!(!dir.join("tile/entries/000").exists() && !dir.join("tile/entries/001").exists());
        for report in verified() {
            let report = report.unwrap();
            assert!(report.holds() && report.pruned == through - 2, "{anew}: {report:?}");
        }
    }
    // Another record in its place is no change of keys.
    let line = std::fs::read_to_string(dir.join("line")).unwrap();
    std::fs::write(dir.join("line"), line.replacen("each quarter", "some quarter", 1)).unwrap();
    assert!(verified().iter().all(Result::is_err));
    std::fs::remove_file(dir.join("line")).unwrap();
    assert!(!verified()[0].as_ref().is_ok_and(Report::holds));
}

/// T103
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_moment_leaves_a_journal_that_verifies_and_goes_on() {
    let house = House::new();
    traffic(&house.store, 10, 700).await;
    let asked = asked(&house.store).await;
    loop {
        let said = house.store.prune(asked.clone()).await.unwrap();
        // Files are copied one after the other, so that only a log that stands still is one that a crash leaves.
        scrubbed(&house.store).await;
        let (_temp, dir) = house.after_a_crash();
        let (store, recovery) = open(&dir, patient()).unwrap();
        assert!(recovery.unknown.is_empty());
        store.close().await;
        let report = verified(&dir);
        assert!(report.holds(), "{:?}", report.breaches);
        assert_eq!(report.pruned > 0, *house.store.head().borrow() > 1_401);
        if said.is_none() {
            return;
        }
    }
}
