//! What holds for every request and answer of the administration listener: Host, Origin, security headers.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, header};

use super::ApiError;

/// What a page may load: nothing but our own style sheet; no script at all (T161).
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The names under which the listener answers.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) hosts: Arc<BTreeSet<String>>,
    pub(super) scheme: &'static str,
}

/// Refuses foreign names (DNS rebinding, T001) and foreign origins, then adds the security headers (T162).
pub(super) async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    let mut response = match names.refusal(request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Names {
    fn refusal(&self, headers: &HeaderMap) -> Option<ApiError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(host)), None) => host.to_ascii_lowercase(),
            _ => return Some(ApiError::invalid("exactly one Host header is required")),
        };
        if !self.hosts.contains(&host) {
            return Some(ApiError::forbidden("this Host is not served here; add it to `listen.hosts`"));
        }
        let origin = headers.get(header::ORIGIN)?;
        let own = format!("{}://{host}", self.scheme);
        // `no-referrer` makes browsers say `null` even for our own forms; Sec-Fetch-Site no page can set.
        let from_here = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        let same =
            origin.to_str().is_ok_and(|origin| origin.eq_ignore_ascii_case(&own) || origin == "null" && from_here);
        (!same).then(|| ApiError::forbidden("requests from other origins are refused"))
    }
}
