//! JWT access tokens: what is demanded of their header and claims (T043-T047, T049).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{AuthError, Issuer, jwks::{Fetch, Keys}};
use crate::domain::{Timestamp};
use chrono::DateTime;

const LEEWAY_SECONDS: u64 = 30;
const LONGEST_LIFE_SECONDS: i64 = 24 * 3_600;
const KID: usize = 256;
const TOKEN: usize = 16 << 10;
const ACTORS: usize = 4;

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// The agent: the current actor, or the subject where there is none.
    pub(super) agent: String,
    /// The person, if the token names an actor.
    pub(super) person: Option<String>,
    /// Roles that the token asserts for its subject.
    pub(super) roles: Vec<String>,
    /// Its end.
    pub(super) expires: Timestamp,
}

/// An issuer with its keys.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) issuer: Issuer,
    pub(super) keys: Keys,
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    exp: i64,
    iat: Option<i64>,
    act: Option<Value>,
    roles: Option<Vec<String>>,
}

/// Verifies a token against the issuer that its `iss` names, exactly.
pub(super) async fn verify(text: &str, trusted: &[Trusted], fetch: &dyn Fetch) -> Result<Claims, AuthError> {
    if text.len() > TOKEN {
        return Err(AuthError::Invalid("too long"));
    }
    let raw_header = part(text, 0).ok_or(AuthError::Invalid("not a token"))?;
    if raw_header.contains_key("crit") {
        return Err(AuthError::Invalid("critical header extensions are not understood"));
    }
    let header = decode_header(text).map_err(|_| AuthError::Invalid("malformed header"))?;
    if header.kid.as_ref().is_some_and(|kid| kid.len() > KID) {
        return Err(AuthError::Invalid("the key id is too long"));
    }
    let claimed = part(text, 1).ok_or(AuthError::Invalid("not a token"))?;
    let issuer = claimed.get("iss").and_then(Value::as_str).ok_or(AuthError::Invalid("no issuer"))?;
    let source = trusted.iter().find(|source| source.issuer.issuer == issuer).ok_or(AuthError::Invalid("unknown issuer"))?;
    if !source.issuer.algorithms.contains(&header.alg) {
        return Err(AuthError::Invalid("algorithm is not allowed"));
    }
    let key = source.keys.find(header.kid.as_deref(), fetch).await?;
    let mut validation = Validation::new(header.alg);
    validation.algorithms = vec![header.alg];
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.set_audience(&[&source.issuer.audience]);
    validation.set_issuer(&[&source.issuer.issuer]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_SECONDS;
    let payload = decode::<Payload>(text, &key, &validation).map_err(|error| fault(&error))?.claims;
    claims(payload, issuer)
}

fn claims(payload: Payload, issuer: &str) -> Result<Claims, AuthError> {
    if payload.iss != issuer || payload.sub.is_empty() {
        return Err(AuthError::Invalid("issuer or subject"));
    }
    if payload.iat.is_some_and(|issued| payload.exp.saturating_sub(issued) > LONGEST_LIFE_SECONDS) {
        return Err(AuthError::Invalid("lives longer than a day"));
    }
    let expires = DateTime::from_timestamp(payload.exp, 0).ok_or(AuthError::Invalid("expiry"))?;
    let roles = payload.roles.unwrap_or_default();
    let Some(act) = payload.act else {
        return Ok(Claims { agent: payload.sub, person: None, roles, expires });
    };
    let agent = actor(&act, ACTORS)?;
    Ok(Claims { agent, person: Some(payload.sub), roles, expires })
}

/// The current actor: the outermost `act` (RFC 8693 section 4.1). Every link of the chain must be well formed.
fn actor(act: &Value, left: usize) -> Result<String, AuthError> {
    if left == 0 {
        return Err(AuthError::Invalid("the chain of actors is too long"));
    }
    let sub = act.get("sub").and_then(Value::as_str).filter(|sub| !sub.is_empty()).ok_or(AuthError::Invalid("an actor without a subject"))?;
    if let Some(prior) = act.get("act") {
        actor(prior, left - 1)?;
    }
    Ok(sub.to_owned())
}

fn part(text: &str, index: usize) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(text.split('.').nth(index)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn fault(error: &jsonwebtoken::errors::Error) -> AuthError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => AuthError::Expired,
        ErrorKind::InvalidAudience => AuthError::Invalid("audience"),
        ErrorKind::InvalidIssuer => AuthError::Invalid("issuer"),
        ErrorKind::ImmatureSignature => AuthError::Invalid("not valid yet"),
        _ => AuthError::Invalid("signature or claims"),
    }
}
