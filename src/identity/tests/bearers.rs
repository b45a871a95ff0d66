//! Where a credential may stand, and what answers a request without one.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::House;
use crate::identity::AuthError;

async fn with(house: &House, headers: &[(&str, &str)]) -> AuthError {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    house.authenticator.authenticate(&map, super::Shown::Somewhere).await.unwrap_err()
}

/// T040, T054
#[tokio::test]
async fn only_one_bearer_header_counts() {
    let house = House::new();
    assert_eq!(with(&house, &[]).await, AuthError::Missing);
    assert_eq!(with(&house, &[("authorization", "Basic dXNlcjpwYXNz")]).await, AuthError::Missing);
    assert_eq!(
        with(&house, &[("x-user", "agent-1"), ("x-mcp-subject", "agent-1"), ("cookie", "a=b")]).await,
        AuthError::Missing
    );
    for bad in
        ["Bearer", "Bearer ", "Bearer  x", "Bearer a b", "Bearer a, Basic b", "Bearer ' OR 1=1--", "Bearer \"x\""]
    {
        assert_eq!(with(&house, &[("authorization", bad)]).await, AuthError::Malformed, "{bad}");
    }
    let good = format!("Bearer {}", house.token(&serde_json::json!({})));
    assert_eq!(with(&house, &[("authorization", &good), ("authorization", &good)]).await, AuthError::Malformed);
    assert_eq!(
        with(&house, &[("authorization", &format!("Bearer {}", "a".repeat(20_000)))]).await,
        AuthError::Malformed
    );
    assert_eq!(house.fetches(), 0);
}

/// T040
#[test]
fn the_challenge_says_where_to_learn_more_and_cannot_be_broken_out_of() {
    let url = "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp";
    assert_eq!(AuthError::Missing.challenge(url), format!("Bearer resource_metadata=\"{url}\""));
    assert_eq!(
        AuthError::Expired.challenge("http://x/\"\r\nSet-Cookie: a"),
        "Bearer error=\"invalid_token\", error_description=\"the credential has expired\", resource_metadata=\"http://x/Set-Cookie:a\""
    );
    for error in [
        AuthError::Missing,
        AuthError::Malformed,
        AuthError::Invalid,
        AuthError::Unregistered,
        AuthError::WrongAudience,
    ] {
        assert_eq!(error.status(), 401);
        assert!(HeaderValue::from_str(&error.challenge(url)).is_ok());
    }
    assert_eq!(AuthError::Unavailable.status(), 503);
}
