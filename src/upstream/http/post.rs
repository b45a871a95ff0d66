//! Sending one event to a receiver over HTTP, with the same guard as calls of tool servers.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{
    address::Rule,
    connect::{Authorities, CheckedClient, client, literal_allowed},
    exchange::read_all,
};

/// An event did not get an answer.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The URL, or the addresses of its host, may not be reached.
    #[error("its address may not be reached")]
    Forbidden,
    /// No answer came.
    #[error("it cannot be reached")]
    Unreachable,
    /// No answer came in time.
    #[error("it did not answer within {} ms", .0.as_millis())]
    Slow(Duration),
    /// The answer broke off, or is longer than it may be.
    #[error("its answer breaks off or is longer than {0} bytes")]
    Broken(usize),
}

/// Sends to one URL: no redirects, TLS verified; without TLS, and to inner addresses, only with leave (T120).
#[derive(Debug)]
pub struct HttpPost {
    client: CheckedClient,
    url: Uri,
    rule: Rule,
    limit: Duration,
}

impl HttpPost {
    /// A sender to this URL, each time for at most so long.
    ///
    /// # Errors
    /// The URL is none, or the certificate authorities of the machine cannot be read.
    pub fn new(url: &str, allow_private: bool, limit: Duration) -> io::Result<Self> {
        let url: Uri = url.parse().map_err(io::Error::other)?;
        let secure = url.scheme_str() == Some("https");
        let rule = Rule { public: secure, private: allow_private, loopback: allow_private };
        let authorities = if secure { Authorities::Machine } else { Authorities::None };
        Ok(Self { client: client(rule, authorities)?, url, rule, limit })
    }

    /// Sends one body; what the receiver answers is not read beyond its headers.
    ///
    /// # Errors
    /// No answer came.
    pub async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<(StatusCode, HeaderMap), PostError> {
        let answer = timeout(self.limit, self.send(headers, body)).await;
        let (parts, _) = answer.map_err(|_| PostError::Slow(self.limit))??.into_parts();
        Ok((parts.status, parts.headers))
    }

    /// Sends one body and reads at most so many bytes of the answer.
    ///
    /// # Errors
    /// No answer came, not all of it, or it is longer.
    pub async fn ask(&self, body: Bytes, most: usize) -> Result<(StatusCode, Vec<u8>), PostError> {
        let ask = async {
            let answer = self.send(HeaderMap::new(), body).await?;
            let status = answer.status();
            let body = read_all(answer.into_body(), most).await;
            body.map(|body| (status, body)).map_err(|_| PostError::Broken(most))
        };
        timeout(self.limit, ask).await.map_err(|_| PostError::Slow(self.limit))?
    }

    async fn send(&self, headers: HeaderMap, body: Bytes) -> Result<Response<Incoming>, PostError> {
        if !literal_allowed(&self.url, self.rule) {
            return Err(PostError::Forbidden);
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = headers;
        self.client.request(request).await.map_err(|_| PostError::Unreachable)
    }
}
