//! Keys that the gateway made.

use std::sync::atomic::Ordering;

use chrono::Duration;

use super::{House, pepper, say};
use crate::identity::{AuthError, IssueError, KeyPrincipal, KeyStore as _, Shown, issue};

fn agent() -> KeyPrincipal {
    KeyPrincipal::Agent("agent-1".into())
}

#[tokio::test]
async fn a_key_stands_for_one_agent_or_one_person() {
    let house = House::new();
    for (principal, expected) in [
        (agent(), "agent-1 [reader]"),
        (KeyPrincipal::Agent("nobody".into()), "Unregistered"),
        (KeyPrincipal::Person("alice@corp".into()), "alice@corp {Audit}"),
        (KeyPrincipal::Person("gone@corp".into()), "Unregistered"),
        (KeyPrincipal::Person("agent-1".into()), "Unregistered"),
        (KeyPrincipal::Person("administrator".into()), "administrator {Administer}"),
    ] {
        let (key, _) = house.key(principal, 1).await;
        assert_eq!(say(house.show(&key).await), expected);
    }
}

/// T041
#[test]
fn a_key_is_random_and_kept_only_as_a_mac_under_the_pepper() {
    let now = chrono::DateTime::UNIX_EPOCH;
    let (key, row) = issue(&pepper(), agent(), 90, "for\nCI", now).unwrap();
    let (other, _) = issue(&pepper(), agent(), 90, "", now).unwrap();
    assert_ne!(key.expose(), other.expose());
    assert_eq!(key.expose().len(), 47);
    assert_eq!(row.note, "forCI");
    assert!(!format!("{row:?}{key:?}").contains(&key.expose()[4..]));
    let expected = aws_lc_rs::hmac::sign(
        &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 32]),
        key.expose().as_bytes(),
    );
    assert_eq!(row.mac, expected.as_ref());
    assert_eq!(issue(&pepper(), agent(), 91, "", now).unwrap_err(), IssueError::Days(91));
    assert_eq!(issue(&pepper(), agent(), 0, "", now).unwrap_err(), IssueError::Days(0));
}

/// T042
#[tokio::test]
async fn what_cannot_be_a_key_never_reaches_the_store() {
    let house = House::new();
    let (key, _) = house.key(agent(), 1).await;
    for bad in ["pst_", "pst_x", &format!("{key}0"), &key[..46], &key.replace("pst_", "pst_-"), "pst_/../../etc/passwd"]
    {
        assert_eq!(house.show(bad).await.unwrap_err(), AuthError::Invalid, "{bad}");
    }
    assert_eq!(house.keys.asked.load(Ordering::SeqCst), 0);
    let last = if key.ends_with('0') { "1" } else { "0" };
    assert_eq!(house.show(&format!("{}{last}", &key[..46])).await.unwrap_err(), AuthError::Invalid);
    assert_eq!(house.keys.asked.load(Ordering::SeqCst), 1);
}

/// T051
#[tokio::test]
async fn a_revoked_key_is_dead_within_a_second_and_at_once_when_we_are_told() {
    let house = House::new();
    let (key, id) = house.key(agent(), 1).await;
    for _ in 0..5 {
        assert!(house.show(&key).await.is_ok());
    }
    assert_eq!(house.keys.asked.load(Ordering::SeqCst), 1);
    house.keys.revoke(&id, house.now()).await.unwrap();
    house.pass(Duration::milliseconds(1_001));
    assert_eq!(house.show(&key).await.unwrap_err(), AuthError::Invalid);

    let (key, id) = house.key(agent(), 1).await;
    assert!(house.show(&key).await.is_ok());
    house.keys.revoke(&id, house.now()).await.unwrap();
    house.authenticator.invalidate();
    assert_eq!(house.show(&key).await.unwrap_err(), AuthError::Invalid);
}

/// T051
#[tokio::test]
async fn a_key_ends_and_proves_nothing_while_the_store_is_down() {
    let house = House::new();
    let (key, _) = house.key(agent(), 1).await;
    assert!(house.show(&key).await.is_ok());
    *house.keys.broken.lock().unwrap() = true;
    house.pass(Duration::milliseconds(1_001));
    assert_eq!(house.show(&key).await.unwrap_err(), AuthError::Unavailable);
    *house.keys.broken.lock().unwrap() = false;
    assert!(house.show(&key).await.is_ok());
    house.pass(Duration::days(1));
    assert_eq!(house.show(&key).await.unwrap_err(), AuthError::Expired);
}

#[tokio::test]
async fn a_row_that_was_lengthened_by_hand_still_ends_after_90_days() {
    let house = House::new();
    let (key, _) = house.key(agent(), 90).await;
    house.keys.rows.lock().unwrap()[0].expires += Duration::days(9_000);
    house.pass(Duration::days(89));
    assert!(house.show(&key).await.is_ok());
    house.pass(Duration::days(1));
    assert_eq!(house.show(&key).await.unwrap_err(), AuthError::Expired);
}

#[tokio::test]
async fn a_change_of_the_registry_counts_at_the_next_call() {
    let house = House::new();
    let (key, _) = house.key(agent(), 1).await;
    let token = house.token(&serde_json::json!({"roles": ["asserted"]}));
    assert_eq!(say(house.show(&key).await), "agent-1 [reader]");
    assert_eq!(say(house.show(&token).await), "agent-1 [asserted, reader]");
    let mut registry = super::registry();
    registry.agents.get_mut(&"agent-1".into()).unwrap().roles = ["writer".into()].into();
    house.registry.store(registry.clone().into());
    assert_eq!(say(house.show(&key).await), "agent-1 [writer]");
    assert_eq!(say(house.show(&token).await), "agent-1 [asserted, writer]");
    registry.agents.clear();
    house.registry.store(registry.into());
    assert_eq!(say(house.show(&key).await), "Unregistered");
    assert_eq!(say(house.show(&token).await), "Unregistered");
}

/// T091
#[tokio::test]
async fn a_key_that_is_bound_to_addresses_proves_nothing_from_another() {
    let house = House::new();
    let (key, mut row) = issue(&pepper(), agent(), 1, "", house.now()).unwrap();
    row.networks = vec!["127.0.0.2".parse().unwrap(), "fd00::/8".parse().unwrap()];
    house.keys.insert(row).await.unwrap();
    let from = |address: &str| Shown::From(address.parse().unwrap());
    // Twice each: what is remembered of a key is bound as the key is.
    for _ in 0..2 {
        for fits in [from("127.0.0.2"), from("::ffff:127.0.0.2"), from("fd00::7"), Shown::Before] {
            assert_eq!(say(house.show_from(key.expose(), fits).await), "agent-1 [reader]", "{fits:?}");
        }
        for foreign in [from("127.0.0.3"), from("127.0.0.1"), from("::1"), Shown::Somewhere] {
            assert_eq!(house.show_from(key.expose(), foreign).await.unwrap_err(), AuthError::Invalid, "{foreign:?}");
        }
    }
    let (unbound, _) = house.key(agent(), 1).await;
    assert_eq!(say(house.show_from(&unbound, from("192.0.2.1")).await), "agent-1 [reader]");
}
