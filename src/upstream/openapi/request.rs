//! One HTTP request from one checked call.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::Full;
use serde_json::{Value, value::RawValue};

use super::{
    argument::{BadArgument, encode, pair, place, text},
    operation::{BODY, BodyKind, Operation},
    url::Base,
};
use crate::{catalog::ToolCall, mcp::members};

/// Bytes of path and query.
const TARGET: usize = 16 << 10;

/// What every request of an API has in common.
pub(super) struct Stamp {
    pub(super) base: Base,
    /// Headers of the configuration; they come last, so nothing stands in for them.
    pub(super) headers: HeaderMap,
    /// Members of the query of the configuration, encoded.
    pub(super) query: String,
    pub(super) encoded_slashes: bool,
}

impl Stamp {
    /// Writes the request of a call.
    ///
    /// # Errors
    /// An argument that cannot be sent as it is.
    pub(super) fn request(
        &self,
        operation: &Operation,
        call: &ToolCall,
        traceparent: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, BadArgument> {
        let parts = place(operation, call.value(), self.encoded_slashes)?;
        let mut query = parts.query;
        if !self.query.is_empty() {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&self.query);
        }
        let whole = |why| BadArgument { argument: "*".to_owned(), why };
        if parts.path.len() + query.len() > TARGET {
            return Err(whole("all in all make a URL that is too long"));
        }
        let url = self.base.join(&parts.path, &query).ok_or_else(|| whole("make no URL"))?;
        let body = body(operation, call)?;
        let content_type = operation.body.as_ref().filter(|_| body.is_some()).map(|body| body.content_type.clone());
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = operation.method.clone();
        *request.uri_mut() = url;
        let headers = request.headers_mut();
        headers.extend(parts.headers);
        if !parts.cookie.is_empty() {
            let cookie = HeaderValue::from_str(&parts.cookie).map_err(|_| whole("make no cookie"))?;
            headers.insert(header::COOKIE, cookie);
        }
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(Ok(trace)) = traceparent.map(HeaderValue::from_str) {
            headers.insert("traceparent", trace);
        }
        dress(headers, &self.headers);
        Ok(request)
    }
}

/// The headers that every request to an API has.
pub(super) fn dress(headers: &mut HeaderMap, own: &HeaderMap) {
    headers.insert(header::USER_AGENT, HeaderValue::from_static("postern"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in own {
        headers.insert(name, value.clone());
    }
}

fn body(operation: &Operation, call: &ToolCall) -> Result<Option<Bytes>, BadArgument> {
    let Some(body) = &operation.body else { return Ok(None) };
    let Some(value) = call.value().get(BODY) else { return Ok(None) };
    match body.kind {
        // Byte for byte as it was judged.
        BodyKind::Json => Ok(raw_body(call.arguments()).map(|raw| Bytes::copy_from_slice(raw.get().as_bytes()))),
        BodyKind::Form => form(value).map(Some).map_err(|why| BadArgument { argument: BODY.to_owned(), why }),
    }
}

fn raw_body(arguments: &RawValue) -> Option<&RawValue> {
    let members = members(arguments.get()).ok()?;
    members.iter().find(|(key, _)| key == BODY).map(|(_, raw)| *raw)
}

/// An object as a form: lists as repeated members, what is nested deeper as JSON text.
fn form(value: &Value) -> Result<Bytes, &'static str> {
    let members = value.as_object().ok_or("must be an object to travel as a form")?;
    let mut out = String::new();
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        for item in items {
            let item = if item.is_object() || item.is_array() { item.to_string() } else { text(item)? };
            pair(&mut out, &encode(name), &encode(&item));
        }
    }
    Ok(out.into())
}
