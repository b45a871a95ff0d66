//! `initialize`: the revision is agreed on, what the client can do is kept, and a session begins.

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use crate::mcp::{Capabilities, Feature, Id, Params, ParseError, Version, emit, members};

use crate::mcp::server::{
    Endpoint, Proof, RpcError,
    context::Context,
    reply::{self, Answer},
    results,
};

/// Opens a session; a client that asks for a revision that is not known is offered the newest.
pub(super) fn initialize(
    endpoint: &Endpoint,
    context: &Context,
    id: Id<'_>,
    params: &Params<'_>,
) -> Result<Answer, RpcError> {
    let bad = |member: &str| RpcError::invalid_params(format!("`params.{member}` is missing or malformed"));
    let asked = params.text("protocolVersion").ok_or_else(|| bad("protocolVersion"))?;
    let version = Version::legacy(&asked).unwrap_or(Version::NEWEST_LEGACY);
    let capabilities = params.get("capabilities").map_or_else(|| Ok(Capabilities::default()), read);
    let capabilities = capabilities.map_err(|_| bad("capabilities"))?;
    let (scope, proof) = (&context.scope, Proof::of_session(&context.head.headers));
    let session = endpoint.sessions().open((&context.subject, proof), scope.clone(), version, capabilities);
    let session = session.ok_or_else(RpcError::internal)?;
    let offer = endpoint.handler().offer(&context.subject, scope);
    let body: Bytes = emit::result(id, &results::initialize(endpoint.settings(), &offer, version));
    let answer = reply::whole(context.accepts, StatusCode::OK, emit::one_line(body));
    Ok(reply::with_session(answer, &session.id))
}

/// What a client can do. Tasks of the legacy era are others than those of the extension, and are not carried.
fn read(raw: &RawValue) -> Result<Capabilities, ParseError> {
    let members = members(raw.get())?;
    let kept: Vec<_> = members
        .iter()
        .filter(|(key, _)| key != "tasks")
        .map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
        .collect();
    let kept = String::from_utf8(emit::one_line(emit::object(&kept)).into()).map_err(|_| ParseError::NotUtf8)?;
    let kept = RawValue::from_string(kept).map_err(|_| ParseError::NotAnObject)?;
    Ok(Capabilities::read(&kept)?.only(|feature| feature != Feature::Tasks))
}
