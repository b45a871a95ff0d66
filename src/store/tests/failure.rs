//! A disk that is full, a database that is held: refused, then recovered without a restart.

use std::{path::Path, process::Command, time::Duration};

use super::support::{House, admit, open, outcome, patient, until_admitted};
use crate::{
    gateway::{Admission as _, AdmissionError},
    store::Settings,
};

#[tokio::test]
async fn a_database_that_another_program_holds_refuses_calls_until_it_is_free() {
    let house = House::with(Settings { commit_timeout: Duration::from_millis(250), ..patient() });
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
async fn a_full_disk_refuses_calls_and_recovers_when_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("NOT RUN: only root can mount a small file system");
        return;
    };
    let (store, _) = open(&disk.path().join("data"), patient()).unwrap();
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
    assert!(!acknowledged.is_empty());
    assert!(!store.lease().holds());
    std::fs::remove_file(&ballast).unwrap();
    until_admitted(&store, n + 1).await;
    let report = store.verify().await.unwrap();
    assert!(report.holds(), "{report:?}");
    let rows = store.rows(1, 100_000).await.unwrap();
    for (seq, n) in acknowledged {
        let decision = crate::domain::DecisionId::from_bits(n);
        assert!(rows.iter().any(|row| row.seq == seq && String::from_utf8_lossy(&row.payload).contains(decision.as_str())));
    }
    store.close().await;
}
