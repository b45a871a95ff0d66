//! What a modern message must say of itself, and that its headers agree with its body.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::{
    domain::Method,
    mcp::{Capabilities, HeaderFault, MODERN, Meta, Params, code, emit, headers},
};

use crate::mcp::server::{Endpoint, RpcError, context::Context, reading, results};

/// The revision, what `_meta` must hold, and the method: in this order, since each says what the next one means. The
/// capabilities of the client come back.
pub(super) fn envelope(
    endpoint: &Endpoint,
    context: &Context,
    meta: &Meta<'_>,
    method: &str,
) -> Result<Arc<Capabilities>, RpcError> {
    version(endpoint, context, meta)?;
    let bad = |message: &str| RpcError::invalid_params(message).with_status(StatusCode::BAD_REQUEST);
    if meta.protocol_version.is_none() {
        return Err(bad("`_meta` must name `io.modelcontextprotocol/protocolVersion`"));
    }
    let capabilities = meta.client_capabilities.and_then(|raw| Capabilities::read(raw).ok());
    let capabilities =
        capabilities.ok_or_else(|| bad("`_meta` must hold `io.modelcontextprotocol/clientCapabilities`"))?;
    headers::agrees(&context.head.headers, &headers::METHOD, method)?;
    Ok(Arc::new(capabilities))
}

/// The header that repeats what a request is for.
pub(super) fn name(head: &HeaderMap, method: Method, params: &Params<'_>) -> Result<(), RpcError> {
    let target = reading::target(method, params).map_err(|error| error.with_status(StatusCode::BAD_REQUEST))?;
    if let Some(target) = target {
        headers::agrees(head, &headers::NAME, &target)?;
    }
    Ok(())
}

/// The revision: the header is there, agrees with the body, and is served.
pub(super) fn version(endpoint: &Endpoint, context: &Context, meta: &Meta<'_>) -> Result<(), RpcError> {
    let name = headers::VERSION;
    let given = headers::single(&context.head.headers, &name)?.ok_or_else(|| HeaderFault::Missing(name.to_string()))?;
    if meta.protocol_version.as_deref().is_some_and(|version| version.as_bytes() != given.as_bytes()) {
        return Err(HeaderFault::Mismatch(name.to_string()).into());
    }
    if given.as_bytes() == MODERN.as_bytes() {
        return Ok(());
    }
    let requested = String::from_utf8_lossy(given.as_bytes());
    Err(unsupported(&results::versions(endpoint.settings().legacy), &requested))
}

/// -32022, with what is served instead.
pub(in crate::mcp::server) fn unsupported(supported: &[&str], requested: &str) -> RpcError {
    let requested: String = requested.chars().take(64).collect();
    let data = emit::object(&[("supported", &emit::json(supported)), ("requested", &emit::json(&requested))]);
    let data = String::from_utf8(data.into()).ok().and_then(|data| RawValue::from_string(data).ok());
    let error = RpcError::new(code::UNSUPPORTED_VERSION, "this revision of the protocol is not served");
    RpcError { data, ..error }.with_status(StatusCode::BAD_REQUEST)
}
