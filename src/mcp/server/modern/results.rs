//! What becomes of a reply in the modern era: its type, how long it may be kept, and what no modern peer may see.

use bytes::Bytes;
use http::StatusCode;

use crate::{
    domain::Method,
    mcp::{Capabilities, Feature, InputRequest, InputRequired, code, emit},
};

use crate::mcp::server::{Reply, RpcError, declared};

/// The result of a request. The handler's word for it must be an object, and of a type that the client can take.
pub(super) fn reply(reply: Reply, method: Method, capabilities: &Capabilities) -> Result<Bytes, RpcError> {
    match reply {
        Reply::Complete { result, ttl_ms } if method == Method::ReadResource => {
            let ttl = format!(r#""resultType":"complete","ttlMs":{ttl_ms},"cacheScope":"private""#);
            with(&result, ttl.as_bytes())
        }
        Reply::Complete { result, .. } => with(&result, br#""resultType":"complete""#),
        Reply::InputRequired(asked) if method.takes_input() => {
            declared::all(&asked.requests, capabilities)?;
            Ok(questions(&asked))
        }
        Reply::Task(result) if method == Method::CallTool && capabilities.has(Feature::Tasks) => {
            with(&result, br#""resultType":"task""#)
        }
        Reply::InputRequired(_) | Reply::Task(_) => Err(RpcError::internal()),
    }
}

/// An error in the words of the era, with the status that the era demands.
pub(super) fn fault(error: RpcError) -> RpcError {
    let code = match error.code {
        code::RESOURCE_NOT_FOUND => code::INVALID_PARAMS,
        code::URL_ELICITATION_REQUIRED => code::INTERNAL,
        other => other,
    };
    let demanded = match code {
        code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION => Some(StatusCode::BAD_REQUEST),
        code::METHOD_NOT_FOUND => Some(StatusCode::NOT_FOUND),
        _ => None,
    };
    RpcError { code, http: error.http.or(demanded), ..error }
}

/// An object with more members before its own.
fn with(object: &Bytes, members: &[u8]) -> Result<Bytes, RpcError> {
    let inner = object.trim_ascii().strip_prefix(b"{").ok_or_else(RpcError::internal)?;
    let mut out = Vec::with_capacity(inner.len() + members.len() + 2);
    out.push(b'{');
    out.extend_from_slice(members);
    if !inner.trim_ascii().starts_with(b"}") {
        out.push(b',');
    }
    out.extend_from_slice(inner);
    Ok(out.into())
}

fn questions(asked: &InputRequired) -> Bytes {
    let each: Vec<_> = asked.requests.iter().map(|request| (&*request.key, question(request))).collect();
    let each: Vec<_> = each.iter().map(|(key, request)| (*key, request.as_ref())).collect();
    let (requests, state) = (emit::object(&each), asked.state.as_deref().map(emit::json));
    let mut result: Vec<(&str, &[u8])> = vec![("resultType", br#""input_required""#)];
    if !each.is_empty() {
        result.push(("inputRequests", &requests));
    }
    if let Some(state) = &state {
        result.push(("requestState", state));
    }
    emit::object(&result)
}

fn question(request: &InputRequest) -> Bytes {
    let method = emit::json(request.method.as_str());
    let mut members: Vec<(&str, &[u8])> = vec![("method", &method)];
    members.extend(request.params.as_deref().map(|params| ("params", params.get().as_bytes())));
    emit::object(&members)
}
