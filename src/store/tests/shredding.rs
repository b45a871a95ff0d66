//! Keys of days are files of their own, and a key that was shredded does not come back.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use super::support::{House, noon, open, patient};
use crate::{
    domain::DecisionId,
    evidence::{Captured, Record, SealError, Shred, Under},
    store::Settings,
};

pub fn shred(keys: Vec<String>) -> Shred {
    let (actor, reason) = ("sonia".to_owned(), "asked for".to_owned());
    Shred { at: noon(), actor, reason, before: None, exception: Some("EX-1".parse().unwrap()), keys }
}

#[tokio::test]
async fn a_key_that_was_shredded_stays_gone_after_a_restart_even_if_its_file_is_still_there() {
    let house = House::new();
    let (id, exception) = (DecisionId::from_bits(1), "EX-1".parse().unwrap());
    let sealer = &house.store.keyring().sealer;
    let key = sealer.key(Under { at: noon(), exception: Some(&exception) }).unwrap();
    let other = sealer.key(Under { at: noon(), exception: None }).unwrap();
    let sealed = key.seal(&id, b"x").unwrap().unwrap();
    let kept = other.seal(&id, b"y").unwrap().unwrap();
    let handles = house.store.keyring().handles.expose().clone();
    let file = house.dir.join("seal").join(format!("{}.key", key.id()));
    let secret = fs::read(&file).unwrap();
    let keys = sealer.of(&Captured::Under(exception));
    house.store.shred(vec![shred(keys.clone())]).await.unwrap();
    sealer.shred(&keys, (noon(), "sonia")).unwrap();
    assert!(!file.exists());
    // A process that ended between the record and the end of the file, or a backup that was put back.
    fs::write(&file, &secret).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    house.store.close().await;
    let House { dir, store, _temp: temp, .. } = house;
    drop(store);
    let (store, _) = open(&dir, patient()).unwrap();
    assert!(!file.exists(), "it is destroyed at the next start");
    let sealer = &store.keyring().sealer;
    assert!(matches!(sealer.open(&id, &sealed), Err(SealError::Shredded { by, .. }) if by == "sonia"));
    assert_eq!(sealer.open(&id, &kept).unwrap(), b"y");
    assert_eq!(*store.keyring().handles.expose(), handles, "tokens of callers outlive it");
    assert!(store.verify().await.unwrap().holds(), "chain and tree hold");
    drop(temp);
}

#[test]
fn a_key_file_that_is_not_what_its_name_says_is_refused() {
    let house = House::new();
    let key = house.store.keyring().sealer.key(Under { at: noon(), exception: None }).unwrap();
    let file = house.dir.join("seal").join(format!("{}.key", key.id()));
    let (_temp, dir) = house.after_a_crash();
    fs::create_dir_all(dir.join("seal")).unwrap();
    fs::set_permissions(dir.join("seal"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let copy = dir.join("seal").join(file.file_name().unwrap());
    fs::write(&copy, [7; 32]).unwrap();
    fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert!(open(&dir, patient()).unwrap_err().to_string().contains("does not hold the key that its name says"));
}

#[tokio::test]
async fn a_process_that_ended_while_a_key_was_destroyed_starts_again_and_ends_it() {
    let house = House::new();
    let sealer = &house.store.keyring().sealer;
    let (id, under) = (DecisionId::from_bits(1), Under { at: noon(), exception: None });
    let key = sealer.key(under).unwrap();
    let sealed = key.seal(&id, b"x").unwrap().unwrap();
    house.store.shred(vec![shred(vec![key.id().to_owned()])]).await.unwrap();
    let name = format!("{}.key", key.id());
    let (_temp, dir) = house.after_a_crash();
    let file = dir.join("seal").join(name);
    fs::create_dir_all(dir.join("seal")).unwrap();
    fs::set_permissions(dir.join("seal"), fs::Permissions::from_mode(0o700)).unwrap();
    // It was overwritten, and its end did not come to be.
    fs::write(&file, [0; 32]).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (store, _) = open(&dir, patient()).unwrap();
    assert!(!file.exists());
    let sealer = &store.keyring().sealer;
    assert!(matches!(sealer.open(&id, &sealed), Err(SealError::Shredded { .. })));
    assert_ne!(sealer.key(under).unwrap().id(), key.id());
}

#[test]
fn the_file_of_a_key_that_is_destroyed_is_gone_and_what_the_disk_held_is_overwritten() {
    let house = House::new();
    let sealer = &house.store.keyring().sealer;
    let id = sealer.key(Under { at: noon(), exception: None }).unwrap().id().to_owned();
    let (file, other) = (house.dir.join("seal").join(format!("{id}.key")), house.dir.join("other"));
    fs::hard_link(&file, &other).unwrap();
    sealer.shred(std::slice::from_ref(&id), (noon(), "sonia")).unwrap();
    assert!(!file.exists());
    assert_eq!(fs::read(&other).unwrap(), [0; 32], "what the disk held is overwritten");
    sealer.shred(&[id], (noon(), "sonia")).unwrap();
}

#[tokio::test]
async fn the_records_of_a_shredding_are_one_act_that_waits_longer_than_a_call() {
    let house = House::with(Settings { commit_timeout: Duration::ZERO, ..patient() });
    let shreds = ["b", "c"].map(|key| shred(vec![key.to_owned()]));
    house.store.shred(shreds.to_vec()).await.unwrap();
    let kept = house.records().await;
    let kept = kept.iter().filter(|record| shreds.iter().any(|shred| **record == Record::Shred(shred.clone())));
    assert_eq!(kept.count(), 2);
}
