//! A JWT access token, verified: header, signature, claims and times (RFC 9068, RFC 8725).

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration};
use jsonwebtoken::{DecodingKey, Header, Validation, errors::ErrorKind};
use serde::Deserialize;

use super::{AuthError, IssuerSettings, SigningAlgorithm, resolve::Holder};
use crate::domain::{AgentId, GroupName, PersonId, RoleName, SignIn, Timestamp};

/// By this much the clocks of issuer and gateway may differ.
const LEEWAY: Duration = Duration::seconds(30);
/// No token is taken that lives longer.
const LIFETIME: Duration = Duration::hours(24);
/// Actors behind each other in `act`.
const ACTORS: usize = 4;
/// Characters of `sub` and of a role.
const NAME: usize = 256;
/// Roles that a token may assert.
const ROLES: usize = 64;
/// Authentication methods that a token may assert.
const METHODS: usize = 32;
/// Groups that a token may assert.
const GROUPS: usize = 256;

/// What a token says before anything of it is believed: enough to choose the issuer and its key.
pub(super) struct Claimed {
    pub(super) issuer: String,
    pub(super) key: Option<String>,
    pub(super) algorithm: SigningAlgorithm,
}

#[derive(Deserialize)]
struct OnlyIssuer {
    iss: String,
}

/// Reads what is needed to verify. `jku`, `x5u` and an embedded `jwk` are never looked at; any `crit` is
/// refused, since nothing that could be critical is understood here (T047).
pub(super) fn claimed(token: &str) -> Result<Claimed, AuthError> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(AuthError::Invalid);
    };
    let header: Header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Invalid)?;
    let typ = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    if header.crit.is_some()
        || header.enc.is_some()
        || header.zip.is_some()
        || !matches!(typ.as_str(), "jwt" | "at+jwt" | "application/at+jwt")
    {
        return Err(AuthError::Invalid);
    }
    let algorithm = SigningAlgorithm::of(header.alg).ok_or(AuthError::Invalid)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| AuthError::Invalid)?;
    let OnlyIssuer { iss } = serde_json::from_slice(&payload).map_err(|_| AuthError::Invalid)?;
    Ok(Claimed { issuer: iss, key: header.kid, algorithm })
}

/// Every claim that counts, each in the one form that is taken. An `aud` or `iss` that is a list is refused.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(rename = "iss")]
    issuer: String,
    #[serde(rename = "aud")]
    audience: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    act: Option<Box<Actor>>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(default)]
    groups: Option<Vec<String>>,
    #[serde(default)]
    amr: Option<Vec<String>>,
    acr: Option<String>,
    auth_time: Option<f64>,
}

#[derive(Deserialize)]
struct Actor {
    sub: String,
    iss: Option<String>,
    act: Option<Box<Actor>>,
}

/// Who a verified token stands for, and until when.
pub(super) fn verify(
    token: &str,
    key: &DecodingKey,
    algorithm: SigningAlgorithm,
    issuer: &IssuerSettings,
    now: Timestamp,
) -> Result<(Holder, Option<Timestamp>, Timestamp), AuthError> {
    if !issuer.algorithms.contains(&algorithm) {
        return Err(AuthError::Invalid);
    }
    let mut validation = Validation::new(algorithm.wire());
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    validation.set_issuer(&[&issuer.issuer]);
    validation.set_audience(&[&issuer.audience]);
    // Times are judged below, by the gateway's own clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
        .map_err(|error| {
            let other = matches!(error.kind(), ErrorKind::InvalidAudience);
            if other { AuthError::WrongAudience } else { AuthError::Invalid }
        })?
        .claims;
    if claims.issuer != issuer.issuer {
        return Err(AuthError::Invalid);
    }
    if claims.audience != issuer.audience {
        return Err(AuthError::WrongAudience);
    }
    let (issued, end) = times(&claims, now)?;
    Ok((holder(claims, issuer.people)?, issued, end))
}

/// When it was issued, if it says so, and when it ends.
fn times(claims: &Claims, now: Timestamp) -> Result<(Option<Timestamp>, Timestamp), AuthError> {
    let exp = moment(claims.exp)?;
    if now - LEEWAY >= exp {
        return Err(AuthError::Expired);
    }
    let issued = claims.iat.map(moment).transpose()?;
    let begins = claims.nbf.map(moment).transpose()?;
    let early = |from: Option<Timestamp>| from.is_some_and(|from| from > now + LEEWAY);
    let too_long = exp > now + LIFETIME + LEEWAY || issued.is_some_and(|issued| exp - issued > LIFETIME);
    if early(issued) || early(begins) || too_long {
        return Err(AuthError::Invalid);
    }
    exp.checked_add_signed(LEEWAY).map(|end| (issued, end)).ok_or(AuthError::Invalid)
}

/// A `NumericDate` (RFC 7519 section 2): seconds since 1970, with or without a fraction.
fn moment(seconds: f64) -> Result<Timestamp, AuthError> {
    let since = std::time::Duration::try_from_secs_f64(seconds).map_err(|_| AuthError::Invalid)?;
    let since = Duration::from_std(since).map_err(|_| AuthError::Invalid)?;
    DateTime::UNIX_EPOCH.checked_add_signed(since).ok_or(AuthError::Invalid)
}

/// Without `act` the agent is `sub`, and `roles` are its roles. With it, the outermost actor is the agent that
/// is here now (RFC 8693 section 4.1), `sub` is the person it acts for, and `roles` are that person's.
fn holder(claims: Claims, people: bool) -> Result<Holder, AuthError> {
    let subject = name(&claims.sub)?;
    let roles = claims.roles.unwrap_or_default();
    if roles.len() > ROLES {
        return Err(AuthError::Invalid);
    }
    let roles: Vec<RoleName> = roles.iter().map(|role| name(role).map(RoleName::from)).collect::<Result<_, _>>()?;
    let groups = groups(claims.groups.filter(|_| people))?;
    let Some(actor) = claims.act else {
        let groups = people.then_some(groups);
        let sign_in = people.then(|| sign_in(claims.amr, claims.acr, claims.auth_time)).transpose()?;
        return Ok(Holder::Agent { agent: AgentId::from(subject), roles, person: None, groups, sign_in });
    };
    let mut depth = 1_usize;
    let mut link = Some(&actor);
    while let Some(here) = link {
        name(&here.sub)?;
        if depth > ACTORS || here.iss.as_ref().is_some_and(|iss| *iss != claims.issuer) {
            return Err(AuthError::Invalid);
        }
        depth = depth.saturating_add(1);
        link = here.act.as_ref();
    }
    Ok(Holder::Agent {
        agent: AgentId::from(name(&actor.sub)?),
        roles: Vec::new(),
        person: Some((PersonId::from(subject), roles)),
        groups: Some(groups),
        sign_in: None,
    })
}

/// How the person signed in; only an issuer that speaks for people is asked.
fn sign_in(methods: Option<Vec<String>>, class: Option<String>, at: Option<f64>) -> Result<SignIn, AuthError> {
    let methods = methods.unwrap_or_default();
    if methods.len() > METHODS {
        return Err(AuthError::Invalid);
    }
    let methods = methods.iter().map(|method| name(method).map(str::to_owned)).collect::<Result<_, _>>()?;
    let class = class.as_deref().map(|class| name(class).map(str::to_owned)).transpose()?;
    Ok(SignIn { methods, class, at: at.map(moment).transpose()? })
}

/// The groups that an issuer asserts which is believed about people.
fn groups(asserted: Option<Vec<String>>) -> Result<BTreeSet<GroupName>, AuthError> {
    let asserted = asserted.unwrap_or_default();
    if asserted.len() > GROUPS {
        return Err(AuthError::Invalid);
    }
    asserted.iter().map(|group| name(group).map(GroupName::from)).collect()
}

fn name(text: &str) -> Result<&str, AuthError> {
    let fits = (1..=NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err(AuthError::Invalid) }
}
