//! The road to the gateway: requests with the caller's key, to checked addresses.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::lost::{Lost, hint};
use crate::{
    cli::exit::Failure,
    domain::{Secret, limits},
    mcp::client,
    upstream::{CheckedClient, client_of_gateway},
};

/// Until the head of an answer is there: the longest call, and some more.
const HEAD_TIME: Duration = limits::CALL_TIME_CEILING.saturating_add(limits::CALL_TIME);

/// Headers of a request.
pub(super) type Headers = Vec<(HeaderName, HeaderValue)>;

/// The gateway's endpoint.
pub(super) struct Gateway {
    client: CheckedClient,
    url: Uri,
    key: HeaderValue,
}

impl Gateway {
    pub(super) fn new(url: Uri, key: &Secret<String>) -> Result<Self, Failure> {
        let client = client_of_gateway(&url)
            .map_err(|error| Failure::Refused(format!("cannot read the certificates of this machine: {error}")))?;
        let mut key = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| Failure::Input("the key holds characters that no key has; copy it again".to_owned()))?;
        key.set_sensitive(true);
        Ok(Self { client, url, key })
    }

    /// Sends a message.
    pub(super) async fn post(&self, mut headers: Headers, body: Bytes) -> Result<Response<Incoming>, Lost> {
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        headers.push((header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream")));
        self.send(Method::POST, headers, body).await
    }

    /// Asks for an event stream.
    pub(super) async fn get(&self, mut headers: Headers) -> Result<Response<Incoming>, Lost> {
        headers.push((header::ACCEPT, HeaderValue::from_static("text/event-stream")));
        self.send(Method::GET, headers, Bytes::new()).await
    }

    /// Sends a request. Redirects are not followed: the key goes where its owner said, and nowhere else.
    pub(super) async fn send(&self, method: Method, headers: Headers, body: Bytes) -> Result<Response<Incoming>, Lost> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.clone();
        request.headers_mut().extend(headers);
        request.headers_mut().insert(header::AUTHORIZATION, self.key.clone());
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let sent = timeout(HEAD_TIME, self.client.request(request)).await.map_err(|_| Lost::Silent)?;
        sent.map_err(|error| {
            tracing::debug!(error = ?error, "the exchange with the gateway failed");
            if error.is_connect() { self.unreachable(&error) } else { Lost::Broken }
        })
    }

    /// Whether the gateway is there and takes the key.
    pub(super) async fn greet(&self) -> Result<(), Failure> {
        let client::Outgoing { headers, body } = client::discover(1);
        let greeting = timeout(limits::BODY_TIME, self.send(Method::POST, headers, body)).await;
        let status = match greeting.unwrap_or(Err(Lost::Silent)) {
            Ok(response) => response.status(),
            Err(lost) => return Err(Failure::Unreachable(lost.to_string())),
        };
        let url = &self.url;
        let refused = |why: &str| Err(Failure::Refused(format!("the gateway at {url} {why}{}", hint(status))));
        match status {
            StatusCode::UNAUTHORIZED => refused("refuses the key"),
            StatusCode::FORBIDDEN => refused(
                "does not serve this host name; use the address that it listens on, or name the host in its configuration",
            ),
            StatusCode::NOT_FOUND => refused("has nothing there"),
            _ if status.is_redirection() => refused("redirects; give --url the final address"),
            _ => Ok(()),
        }
    }

    fn unreachable(&self, error: &dyn Error) -> Lost {
        let mut deepest = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        let mut why = deepest.to_string();
        if why.ends_with("may be reached") {
            why.push_str(" (http:// reaches loopback and private addresses only; use https://)");
        }
        Lost::Unreachable { url: self.url.to_string(), why }
    }
}
