//! A disk that is full, a database that is held: refused, then recovered without a restart.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use super::support::{House, admit, noon, open, outcome, patient, until_admitted};
use crate::{
    domain::{DecisionId, FreezeScope},
    evidence::{Freeze, Record},
    gateway::{Admission as _, AdmissionError},
    store::Settings,
    telemetry::{self, Telemetry},
};

#[tokio::test]
async fn a_database_that_another_program_holds_refuses_calls_until_it_is_free() {
    let house = House::with(Settings { commit_timeout: Duration::from_millis(250), ..patient() });
    let told = telemetry::Settings { endpoint: None, ratio: 0.0, lease: Duration::from_secs(2) };
    let telemetry = Telemetry::start(&told).unwrap();
    house.store.measure(telemetry.metrics());
    let failures = || {
        let text = telemetry.metrics_text().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("postern_audit_write_failures_total ")).unwrap();
        line.parse::<u64>().unwrap()
    };
    let holder = rusqlite::Connection::open(house.dir.join("postern.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(house.store.admit(admit(1)).await, Err(AdmissionError::Unavailable(_))));
    let lease = house.store.lease();
    for _ in 0..200 {
        if !lease.holds() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!lease.holds(), "the control must be seen as broken");
    for n in 10..20 {
        assert!(matches!(house.store.admit(admit(n)).await, Err(AdmissionError::Unavailable(_))));
    }
    assert_eq!(failures(), 1, "one commit failed; calls that were refused because of it are no failures of a write");
    holder.execute_batch("ROLLBACK").unwrap();
    let admitted = until_admitted(&house.store, 2).await;
    house.store.record(outcome(admitted)).await.unwrap();
    assert!(lease.holds());
    let report = house.store.verify().await.unwrap();
    assert!(report.holds() && report.open.is_empty(), "{report:?}");
    assert!(house.kinds().await.contains(&"alarm"));
}

/// A file system of one megabyte; only root can make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(temp.path()).output();
        mounted.is_ok_and(|done| done.status.success()).then_some(Self(temp))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

/// T100
#[tokio::test]
async fn a_full_disk_refuses_calls_keeps_recording_and_recovers_when_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("NOT RUN: only root can mount a small file system");
        return;
    };
    let settings = Settings { reserve: 200 << 10, ..patient() };
    let (store, _) = open(&disk.path().join("data"), settings).unwrap();
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 300 << 10]).unwrap();
    let mut acknowledged = Vec::new();
    let mut n = 0;
    let refused = loop {
        n += 1;
        match store.admit(admit(n)).await {
            Ok(position) => acknowledged.push((position.seq, n)),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AdmissionError::Unavailable(_)), "{refused}");
    assert!(!acknowledged.is_empty() && !store.lease().holds());
    // What must be recorded finds its room; calls do not, and that does not change by itself.
    let freeze = Freeze {
        at: noon(),
        frozen: false,
        scope: FreezeScope::All,
        actor: "anna".to_owned(),
        reason: "drill".to_owned(),
    };
    let mut tries = 0;
    while store.set_frozen(freeze.clone()).await.is_err() {
        tries += 1;
        assert!(tries < 100, "the reserve must be used");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (_, n) in &acknowledged {
        store.record(outcome(*n)).await.unwrap();
    }
    n += 1;
    assert_eq!(store.admit(admit(n)).await, Err(AdmissionError::Unavailable("the disk is full".to_owned())));
    assert!(!store.lease().holds());
    std::fs::remove_file(&ballast).unwrap();
    until_admitted(&store, n + 1).await;
    assert!(store.lease().holds());
    let report = store.verify().await.unwrap();
    assert!(report.holds() && report.open.len() == 1, "{report:?}");
    let rows = store.rows(1, 100_000).await.unwrap();
    for (seq, n) in acknowledged {
        let decision = DecisionId::from_bits(n);
        assert!(
            rows.iter().any(|row| row.seq == seq && String::from_utf8_lossy(&row.payload).contains(decision.as_str()))
        );
    }
    store.close().await;
}

/// T101: run under `strace -f -e inject=fdatasync,fsync:error=EIO:when=20..25` this shows what a failing sync does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_kept_and_what_is_refused_is_not_there_or_marked() {
    let house = House::new();
    let tasks: Vec<_> = (0..8)
        .map(|lane: u128| {
            let store = Arc::clone(&house.store);
            tokio::spawn(async move {
                let mut ends = Vec::new();
                for n in lane * 1_000 + 1..lane * 1_000 + 40 {
                    ends.push((n, store.admit(admit(n)).await.is_ok()));
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                ends
            })
        })
        .collect();
    let mut ends = Vec::new();
    for task in tasks {
        ends.extend(task.await.unwrap());
    }
    until_admitted(&house.store, 100_000).await;
    let (mut intents, mut aborted) = (BTreeSet::new(), BTreeSet::new());
    for record in house.records().await {
        match record {
            Record::Intent(intent) => drop(intents.insert(intent.decision)),
            Record::Aborted(mark) => drop(aborted.insert(mark.decision)),
            _ => {}
        }
    }
    for (n, acknowledged) in &ends {
        let decision = DecisionId::from_bits(*n);
        assert_eq!(intents.contains(&decision) && !aborted.contains(&decision), *acknowledged, "{decision}");
    }
    assert!(house.store.verify().await.unwrap().holds());
    let refused = ends.iter().filter(|(_, acknowledged)| !acknowledged).count();
    println!("{} calls, {refused} refused, {} marked", ends.len(), aborted.len());
}

const CHILD: &str = "POSTERN_TEST_STORE_CHILD";

/// Not a test by itself: what `a_killed_process_loses_nothing_that_it_acknowledged` kills.
#[tokio::test]
async fn a_process_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let (store, recovery) = open(Path::new(&dir), patient()).unwrap();
    for n in u128::from(recovery.records) * 1_000.. {
        store.admit(admit(n)).await.unwrap();
        println!("\nacknowledged {n}");
        store.record(outcome(n)).await.unwrap();
    }
}

/// T103
#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let mut acknowledged = BTreeSet::new();
    for round in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "store::tests::failure::a_process_that_writes_until_it_is_killed"])
            .env(CHILD, &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut left = 25 + round;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines {
            if let Some(n) = line.unwrap().strip_prefix("acknowledged ") {
                acknowledged.insert(n.parse::<u128>().unwrap());
                left = left.saturating_sub(1);
                if left == 0 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
    }
    let (store, recovery) = open(&dir, patient()).unwrap();
    assert!(recovery.unknown.len() <= 1, "one call at a time was open");
    assert!(store.verify().await.unwrap().holds());
    assert!(acknowledged.len() > 100);
    for n in acknowledged {
        assert!(!store.decision(&DecisionId::from_bits(n)).await.unwrap().is_empty(), "{n}");
    }
}
