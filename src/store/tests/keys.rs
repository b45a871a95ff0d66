//! Access keys: kept as MACs, revoked at once, and never other than what was made.

use super::support::{House, admit, meddle, noon, open, patient};
use crate::{
    domain::{AgentId, CredentialId},
    gateway::{Admission as _, AdmissionError, Admit},
    identity::{KeyPrincipal, KeyRow, KeyStore as _, issue},
};

fn key(house: &House) -> (String, KeyRow) {
    let principal = KeyPrincipal::Agent(AgentId::from("agent:1"));
    let (key, row) = issue(&house.store.keyring().pepper, principal, 30, "note", noon()).unwrap();
    (key.expose().clone(), row)
}

fn admit_with(n: u128, credential: &CredentialId) -> Admit {
    Admit { credential: credential.clone(), ..admit(n) }
}

/// T041, T106
#[tokio::test]
async fn a_key_is_found_by_its_mac_and_stands_nowhere_in_clear() {
    let house = House::new();
    let (key, row) = key(&house);
    house.store.insert(row.clone()).await.unwrap();
    assert_eq!(house.store.find(&row.mac).await, Ok(Some(row.clone())));
    assert_eq!(house.store.find(&[0; 32]).await, Ok(None));
    assert_eq!(house.store.list().await, Ok(vec![row.clone()]));
    assert!(house.store.insert(row).await.is_err(), "never twice");
    for entry in std::fs::read_dir(&house.dir).unwrap() {
        let path = entry.unwrap().path();
        let content = if path.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
        assert!(!content.windows(key.len()).any(|window| window == key.as_bytes()));
    }
    assert_eq!(house.kinds().await, ["start", "key"]);
}

/// I7
#[tokio::test]
async fn a_revoked_key_admits_nothing_from_that_moment_on() {
    let house = House::new();
    let (_, row) = key(&house);
    house.store.insert(row.clone()).await.unwrap();
    house.store.admit(admit_with(1, &row.id)).await.unwrap();
    assert_eq!(house.store.revoke(&row.id, noon()).await, Ok(true));
    assert_eq!(house.store.revoke(&row.id, noon()).await, Ok(true), "again changes nothing");
    assert_eq!(house.store.revoke(&"crd_none".parse().unwrap(), noon()).await, Ok(false));
    assert_eq!(house.store.admit(admit_with(2, &row.id)).await, Err(AdmissionError::CredentialRevoked));
    assert_eq!(house.kinds().await, ["start", "key", "intent", "key"]);
}

#[tokio::test]
async fn a_key_that_was_changed_in_the_database_is_revoked_at_the_start() {
    let house = House::new();
    let (_, row) = key(&house);
    house.store.insert(row.clone()).await.unwrap();
    house.store.revoke(&row.id, noon()).await.unwrap();
    let (_, other) = key(&house);
    house.store.insert(other.clone()).await.unwrap();
    let edits = [
        ("UPDATE access_key SET revoked = NULL WHERE revoked IS NOT NULL", &row.id),
        ("UPDATE access_key SET principal = 'person:anna' WHERE revoked IS NULL", &other.id),
        ("UPDATE access_key SET expires = expires + 1000 WHERE revoked IS NULL", &other.id),
    ];
    for (edit, id) in edits {
        let (_temp, dir) = house.after_a_crash();
        assert_eq!(meddle(&dir, edit), 1);
        let (store, recovery) = open(&dir, patient()).unwrap();
        assert_eq!(&recovery.keys, std::slice::from_ref(id), "{edit}");
        assert_eq!(store.admit(admit_with(1, id)).await, Err(AdmissionError::CredentialRevoked));
        assert!(store.list().await.unwrap().iter().all(|row| &row.id != id || row.revoked.is_some()));
        store.close().await;
        drop(store);
        assert!(open(&dir, patient()).unwrap().1.keys.is_empty(), "{edit}: named once");
    }
}
