//! Issuers and their keys over time.

use bytes::Bytes;
use chrono::Duration;
use serde_json::json;

use super::{House, IDP, OTHER, Signer, issuer, pepper};
use crate::identity::{AuthError, IssuerSettings, KeySource, Settings, SettingsError};

/// T046
#[tokio::test]
async fn unknown_and_strange_key_ids_cost_one_fetch_a_minute() {
    let house = House::new();
    let stranger = |kid: &str| Signer::es256(kid).token(&house.claims(&json!({})));
    for n in 0..100 {
        assert_eq!(house.show(&stranger(&format!("random-{n}"))).await.unwrap_err(), AuthError::Invalid);
        house.pass(Duration::milliseconds(100));
    }
    assert_eq!(house.fetches(), 1);
    for kid in ["../../etc/passwd", "' OR 1=1--", "", &"k".repeat(257), &"k".repeat(8_000)] {
        assert_eq!(house.show(&stranger(kid)).await.unwrap_err(), AuthError::Invalid);
    }
    assert_eq!(house.fetches(), 1);
    house.pass(Duration::seconds(60));
    assert_eq!(house.show(&stranger("again")).await.unwrap_err(), AuthError::Invalid);
    assert_eq!(house.fetches(), 2);
}

/// T048
#[tokio::test]
async fn known_keys_outlive_an_outage_by_an_hour_and_no_more() {
    let house = House::new();
    let token = || house.token(&json!({}));
    let old = house.token(&json!({"exp": house.now().timestamp() + 80_000, "iat": null}));
    assert!(house.show(&old).await.is_ok());
    house.web.documents.lock().unwrap().clear();
    house.pass(Duration::seconds(3_600));
    assert!(house.show(&old).await.is_ok());
    assert!(house.show(&token()).await.is_ok());
    house.settle().await;
    house.pass(Duration::seconds(1));
    assert_eq!(house.show(&old).await.unwrap_err(), AuthError::Unavailable);
    assert_eq!(house.show(&token()).await.unwrap_err(), AuthError::Unavailable);
    house.publish(IDP, &[&house.signer]);
    house.pass(Duration::seconds(60));
    assert!(house.show(&old).await.is_ok());
}

/// T048
#[tokio::test]
async fn keys_rotate_and_a_key_that_was_taken_away_takes_its_tokens_with_it() {
    let house = House::new();
    let next = Signer::es256("k2");
    let old = house.token(&json!({}));
    assert!(house.show(&old).await.is_ok());
    house.publish(IDP, &[&house.signer, &next]);
    house.pass(Duration::seconds(60));
    assert!(house.show(&next.token(&house.claims(&json!({})))).await.is_ok());
    assert!(house.show(&old).await.is_ok());
    house.publish(IDP, &[&next]);
    house.pass(Duration::seconds(601));
    // The cache turns in the background: this call still sees the old keys, the next one does not.
    assert!(house.show(&old).await.is_ok());
    house.settle().await;
    assert_eq!(house.show(&old).await.unwrap_err(), AuthError::Invalid);
    assert!(house.show(&next.token(&house.claims(&json!({})))).await.is_ok());
    assert_eq!(house.fetches(), 3);
}

/// T048
#[tokio::test]
async fn a_poisoned_or_huge_set_of_keys_is_not_taken() {
    let house = House::new();
    let token = || house.token(&json!({}));
    assert!(house.show(&token()).await.is_ok());
    let many: Vec<_> = (0..101).map(|_| json!({})).collect();
    for bad in [
        Bytes::from_static(b"<html>"),
        Bytes::from(vec![b' '; 300 << 10]),
        Bytes::from(json!({"keys": many}).to_string()),
        Bytes::from_static(b"[]"),
    ] {
        house.serve(IDP, bad);
        house.pass(Duration::seconds(660));
        assert!(house.show(&token()).await.is_ok());
        house.settle().await;
    }
    // Two keys of one id say nothing about which one is meant; a set without keys is one that was emptied.
    house.publish(IDP, &[&house.signer, &Signer::es256("k1")]);
    house.pass(Duration::seconds(660));
    assert!(house.show(&token()).await.is_ok());
    house.settle().await;
    assert_eq!(house.show(&token()).await.unwrap_err(), AuthError::Invalid);
}

/// T049
#[tokio::test]
async fn a_token_is_verified_with_the_keys_of_exactly_its_own_issuer() {
    let house = House::new();
    let other = Signer::es256("k2");
    house.publish(OTHER, &[&other]);
    let claims = |iss: &str| house.claims(&json!({"iss": iss}));
    assert!(house.show(&other.token(&claims(OTHER))).await.is_ok());
    assert_eq!(house.show(&other.token(&claims(IDP))).await.unwrap_err(), AuthError::Invalid);
    assert_eq!(house.show(&house.signer.token(&claims(OTHER))).await.unwrap_err(), AuthError::Invalid);
    for iss in ["https://idp.test/", "https://IDP.test", "https://evil.test", ""] {
        assert_eq!(house.show(&house.signer.token(&claims(iss))).await.unwrap_err(), AuthError::Invalid, "{iss}");
    }
}

#[tokio::test]
async fn keys_of_an_issuer_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let signer = Signer::es256("k1");
    let house = House::with(vec![IssuerSettings { keys: KeySource::File(path.clone()), ..issuer(IDP) }], signer);
    assert_eq!(house.show(&house.token(&json!({}))).await.unwrap_err(), AuthError::Unavailable);
    std::fs::write(&path, json!({"keys": [house.signer.jwk()]}).to_string()).unwrap();
    house.pass(Duration::seconds(60));
    assert!(house.show(&house.token(&json!({}))).await.is_ok());
    assert_eq!(house.fetches(), 0);
}

#[tokio::test]
async fn a_remembered_token_is_not_verified_again() {
    let house = House::new();
    let token = house.token(&json!({}));
    let first = house.show(&token).await.unwrap();
    let (super::Identity::Agent(first), super::Identity::Agent(second)) = (first, house.show(&token).await.unwrap())
    else {
        panic!("an agent");
    };
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    assert!(first.credential.id.as_str().starts_with("crd_"));
}

#[test]
fn settings_that_would_not_be_safe_are_refused() {
    let check = |issuers: Vec<IssuerSettings>| Settings { issuers, administrator: None }.check();
    let with_url = |url: &str| vec![IssuerSettings { keys: KeySource::Url(url.to_owned()), ..issuer(IDP) }];
    for url in [
        "http://idp.test/jwks",
        "file:///etc/jwks",
        "https://user:pass@idp.test/",
        "jwks",
        "http://localhost.evil.test/",
    ] {
        assert!(matches!(check(with_url(url)), Err(SettingsError::Insecure { .. })), "{url}");
    }
    for url in ["http://127.0.0.1:9/jwks", "https://idp.test/jwks", "http://localhost/jwks"] {
        assert_eq!(check(with_url(url)), Ok(()), "{url}");
    }
    assert!(matches!(check(vec![issuer(IDP), issuer(IDP)]), Err(SettingsError::Twice(_))));
    assert!(matches!(
        check(vec![IssuerSettings { algorithms: vec![], ..issuer(IDP) }]),
        Err(SettingsError::Incomplete(_))
    ));
    assert!(pepper().expose().len() >= 32);
}
