//! What a token must say, and how it must be signed.

use chrono::Duration;
use serde_json::{Value, json};

use super::{AUDIENCE, House, IDP, Signer, b64, issuer, say};
use crate::identity::{AuthError, IssuerSettings, SigningAlgorithm};

#[tokio::test]
async fn a_token_stands_for_an_agent_with_its_roles_and_for_whom_it_acts() {
    let house = House::new();
    for (changes, expected) in [
        (json!({}), "agent-1 [reader]"),
        (json!({"roles": ["z", "a"]}), "agent-1 [a, reader, z]"),
        (
            json!({"sub": "bob@corp", "act": {"sub": "agent-1"}, "roles": ["sales"]}),
            "agent-1 [reader] for bob@corp [sales]",
        ),
        (json!({"sub": "alice@corp", "act": {"sub": "agent-2"}}), "agent-2 [writer] for alice@corp [staff]"),
        // RFC 8693 section 4.1: the outermost actor is the one that is here.
        (
            json!({"sub": "bob@corp", "act": {"sub": "agent-1", "act": {"sub": "agent-2"}}}),
            "agent-1 [reader] for bob@corp []",
        ),
        (json!({"sub": "gone@corp", "act": {"sub": "agent-1"}}), "Unregistered"),
        (json!({"sub": "nobody"}), "Unregistered"),
        (json!({"sub": "alice@corp"}), "Unregistered"),
        (json!({"sub": "bob@corp", "act": {"sub": "nobody"}}), "Unregistered"),
        (json!({"sub": "bob@corp", "act": {}}), "Invalid"),
        (json!({"sub": "bob@corp", "act": "agent-1"}), "Invalid"),
        (json!({"sub": "bob@corp", "act": {"sub": "agent-1", "iss": "https://other.test"}}), "Invalid"),
        (
            json!({"sub": "b", "act": {"sub": "agent-1", "act": {"sub": "2", "act": {"sub": "3", "act": {"sub": "4"}}}}}),
            "agent-1 [reader] for b []",
        ),
        (
            json!({"sub": "b", "act": {"sub": "agent-1", "act": {"sub": "2", "act": {"sub": "3", "act": {"sub": "4", "act": {"sub": "5"}}}}}}),
            "Invalid",
        ),
        (json!({"roles": "admin"}), "Invalid"),
        (json!({"roles": [1]}), "Invalid"),
        (json!({"roles": vec!["r"; 65]}), "Invalid"),
        (json!({"sub": ""}), "Invalid"),
        (json!({"sub": "agent-1\n"}), "Invalid"),
        (json!({"sub": "a".repeat(257)}), "Invalid"),
    ] {
        assert_eq!(say(house.show(&house.token(&changes)).await), expected, "{changes}");
    }
}

/// T044
#[tokio::test]
async fn issuer_audience_subject_and_end_must_all_be_there_as_one_value_each() {
    let house = House::new();
    for (changes, expected) in [
        (json!({"aud": null}), AuthError::Invalid),
        (json!({"iss": null}), AuthError::Invalid),
        (json!({"sub": null}), AuthError::Invalid),
        (json!({"exp": null}), AuthError::Invalid),
        (json!({"aud": "http://other-server/mcp"}), AuthError::WrongAudience),
        (json!({"aud": format!("{AUDIENCE}/")}), AuthError::WrongAudience),
        (json!({"aud": [AUDIENCE]}), AuthError::Invalid),
        (json!({"aud": [AUDIENCE, "other"]}), AuthError::Invalid),
        (json!({"iss": [IDP]}), AuthError::Invalid),
        (json!({"sub": 7}), AuthError::Invalid),
    ] {
        assert_eq!(house.show(&house.token(&changes)).await.unwrap_err(), expected, "{changes}");
    }
}

/// T045
#[tokio::test]
async fn times_are_numbers_and_a_token_lives_a_day_at_most() {
    let house = House::new();
    let now = house.now().timestamp();
    for (changes, expected) in [
        (json!({"exp": (now + 60).to_string()}), Some(AuthError::Invalid)),
        (json!({"exp": 1e20}), Some(AuthError::Invalid)),
        (json!({"exp": -1}), Some(AuthError::Invalid)),
        (json!({"exp": now - 30}), Some(AuthError::Expired)),
        (json!({"exp": now - 29}), None),
        (json!({"nbf": now + 31}), Some(AuthError::Invalid)),
        (json!({"nbf": now + 30}), None),
        (json!({"nbf": "0"}), Some(AuthError::Invalid)),
        (json!({"iat": now + 31}), Some(AuthError::Invalid)),
        (json!({"iat": now - 90_000}), Some(AuthError::Invalid)),
        (json!({"iat": null, "exp": now + 86_431}), Some(AuthError::Invalid)),
        (json!({"iat": null, "exp": now + 86_400}), None),
    ] {
        assert_eq!(house.show(&house.token(&changes)).await.err(), expected, "{changes}");
    }
    let token = house.token(&json!({"exp": now + 100}));
    assert!(house.show(&token).await.is_ok());
    house.pass(Duration::seconds(129));
    assert!(house.show(&token).await.is_ok());
    house.pass(Duration::seconds(1));
    assert_eq!(house.show(&token).await.unwrap_err(), AuthError::Expired);
}

/// T043
#[tokio::test]
async fn algorithms_are_pinned_and_never_symmetric() {
    let house = House::new();
    let claims = house.claims(&json!({}));
    let none = format!("{}.{}.", b64(json!({"alg": "none", "kid": "k1"}).to_string()), b64(claims.to_string()));
    // The public key as an HMAC secret.
    let message = format!("{}.{}", b64(json!({"alg": "HS256", "kid": "k1"}).to_string()), b64(claims.to_string()));
    let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, house.signer.jwk().to_string().as_bytes());
    let confused = format!("{message}.{}", b64(aws_lc_rs::hmac::sign(&secret, message.as_bytes())));
    let unlisted = Signer::rs256("k1").token(&claims);
    let stranger = Signer::es256("k1").token(&claims);
    let swapped = house.signer.sign(&json!({"alg": "RS256", "kid": "k1"}), &claims.to_string());
    for forged in [&none, &confused, &unlisted, &stranger, &swapped, "a.b.c", "a.b", "..", "x"] {
        assert_eq!(house.show(forged).await.unwrap_err(), AuthError::Invalid, "{forged}");
    }
    let token = house.signer.token(&claims);
    let (start, signature) = token.rsplit_once('.').unwrap();
    for changed in
        [format!("{start}."), format!("{start}.{signature}.{signature}"), format!("{start}.{}", b64([0; 64]))]
    {
        assert_eq!(house.show(&changed).await.unwrap_err(), AuthError::Invalid, "{changed}");
    }
    assert!(house.show(&token).await.is_ok());
    // An issuer whose set holds a secret, and one that pins RS256.
    house.serve(IDP, json!({"keys": [{"kty": "oct", "kid": "k1", "k": "AAAA"}]}).to_string());
    let rsa = House::with(
        vec![IssuerSettings { algorithms: vec![SigningAlgorithm::RS256], ..issuer(IDP) }],
        Signer::rs256("r1"),
    );
    assert!(rsa.show(&rsa.token(&json!({}))).await.is_ok());
    rsa.publish(IDP, &[&rsa.signer, &house.signer]);
    assert_eq!(rsa.show(&house.token(&json!({}))).await.unwrap_err(), AuthError::Invalid);
}

/// T047
#[tokio::test]
async fn a_header_that_asks_for_more_is_refused_and_one_that_brings_keys_is_not_believed() {
    let house = House::new();
    let claims = house.claims(&json!({})).to_string();
    for (change, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!("b64")),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("typ", json!("oauth-id-jag+jwt")),
    ] {
        let mut header = house.signer.header();
        header[change] = value;
        assert_eq!(house.show(&house.signer.sign(&header, &claims)).await.unwrap_err(), AuthError::Invalid, "{header}");
    }
    let attacker = Signer::es256("mine");
    let header = |mut header: Value| {
        header["jwk"] = attacker.jwk();
        header["jku"] = json!("https://evil.test/jwks");
        header["x5u"] = json!("https://evil.test/x5u");
        header
    };
    assert_eq!(house.show(&attacker.sign(&header(attacker.header()), &claims)).await.unwrap_err(), AuthError::Invalid);
    assert!(house.show(&house.signer.sign(&header(house.signer.header()), &claims)).await.is_ok());
    assert!(house.web.journal.lock().unwrap().iter().all(|url| url == "https://idp.test/jwks"));
}

#[tokio::test]
async fn a_claim_that_stands_twice_is_refused() {
    let house = House::new();
    let claims = house.claims(&json!({"sub": "agent-2"})).to_string().replacen('{', r#"{"sub":"agent-1","#, 1);
    assert_eq!(house.show(&house.signer.sign(&house.signer.header(), &claims)).await.unwrap_err(), AuthError::Invalid);
}
