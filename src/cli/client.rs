//! The admin API over one connection.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::exit::Failure;
use crate::domain::{Finding, Findings, Secret};

/// Until an answer is complete.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of an answer.
const ANSWER: usize = 64 << 20;

/// Talks to the admin API.
pub(super) struct Client {
    base: String,
    key: Secret<String>,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A body to send.
pub(super) enum Body {
    Nothing,
    Json(Value),
    Yaml(String),
}

impl Client {
    /// A client for this address. A key does not travel in plaintext beyond loopback.
    pub(super) fn new(base: &str, key: Secret<String>) -> Result<Self, Failure> {
        let base = base.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|error| Failure::Input(format!("`{base}` is not a URL: {error}")))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if loopback => {}
            Some("http") => {
                return Err(Failure::Input(
                    "a key does not travel in plaintext beyond loopback; use https://".to_owned(),
                ));
            }
            _ => return Err(Failure::Input(format!("`{base}` must begin with http:// or https://"))),
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let connector = match HttpsConnectorBuilder::new().with_provider_and_native_roots(provider.clone()) {
            Ok(builder) => builder.https_or_http().enable_http1().build(),
            Err(_) if loopback => no_roots(provider)?,
            Err(error) => {
                return Err(Failure::Refused(format!("cannot read the certificates of this machine: {error}")));
            }
        };
        Ok(Self { base, key, pool: Pool::builder(TokioExecutor::new()).build(connector) })
    }

    /// `GET`, as this type.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::GET, path, Body::Nothing).await
    }

    /// `POST`, as this type.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: Body) -> Result<T, Failure> {
        self.send(Method::POST, path, body).await
    }

    /// Any request; an empty answer reads as `null`.
    pub(super) async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: Body) -> Result<T, Failure> {
        let url = format!("{}{path}", self.base);
        let (media_type, body) = match body {
            Body::Nothing => (None, String::new()),
            Body::Json(value) => (Some("application/json"), value.to_string()),
            Body::Yaml(text) => (Some("application/yaml"), text),
        };
        let mut request = Request::builder().method(method).uri(&url);
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key.expose()));
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::Input(format!("`{url}` cannot be asked for: {error}")))?;
        let (status, body) = tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .map_err(|_| self.silent("no answer in 120 s"))??;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body)
            .map_err(|error| Failure::Refused(format!("`{url}` answered something else than Postern does: {error}")))
    }

    /// A stream of events; its beginning is waited for, its end is not bounded.
    pub(super) async fn stream(&self, path: &str, last: Option<u64>) -> Result<hyper::body::Incoming, Failure> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder().uri(&url).header(header::ACCEPT, "text/event-stream");
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key.expose()));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request
            .body(Full::new(Bytes::new()))
            .map_err(|error| Failure::Input(format!("`{url}` cannot be asked for: {error}")))?;
        let response = tokio::time::timeout(PATIENCE, self.pool.request(request))
            .await
            .map_err(|_| self.silent("no answer in 120 s"))?
            .map_err(|error| self.silent(&root_of(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        Err(refusal(status, &body.map_err(|error| self.silent(&error.to_string()))?.to_bytes()))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let response = self.pool.request(request).await.map_err(|error| self.silent(&root_of(&error)))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| self.silent(&error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    fn silent(&self, why: &str) -> Failure {
        Failure::Unreachable(format!(
            "the gateway at {} cannot be reached: {why}; is `postern serve` running?",
            self.base
        ))
    }
}

/// A connector that trusts nobody, for plain HTTP on a machine without certificates.
fn no_roots(provider: rustls::crypto::CryptoProvider) -> Result<HttpsConnector<HttpConnector>, Failure> {
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Refused(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build())
}

fn root_of(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// The refusal as a failure; the status decides the exit code.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let error = serde_json::from_slice::<Value>(body).ok().and_then(|body| body.get("error").cloned());
    let code = error.as_ref().and_then(|error| error.get("code")).and_then(Value::as_str);
    let message = error.as_ref().and_then(|error| error.get("message")).and_then(Value::as_str);
    let message = message.unwrap_or_else(|| status.canonical_reason().unwrap_or("refused")).to_owned();
    let findings = findings(error.as_ref().and_then(|error| error.get("findings")));
    if !findings.0.is_empty() {
        return Failure::Faulty(findings);
    }
    match status {
        StatusCode::UNAUTHORIZED if code == Some("insufficient_user_authentication") => Failure::Refused(message),
        StatusCode::UNAUTHORIZED => Failure::Refused(format!("{message}; name yours with --key-file")),
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Failure::Input(message),
        _ => Failure::Refused(message),
    }
}

fn findings(list: Option<&Value>) -> Findings {
    let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let read = |item: &Value| Finding {
        file: text(item, "file"),
        line: item.get("line").and_then(Value::as_u64).and_then(|line| usize::try_from(line).ok()).unwrap_or_default(),
        path: text(item, "path"),
        message: text(item, "message"),
    };
    Findings(list.and_then(Value::as_array).map(|items| items.iter().map(read).collect()).unwrap_or_default())
}
