//! Reading a small file over HTTP within bounds, such as the keys of an identity provider.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::Full;
use tokio::{sync::OnceCell, time::timeout};

use super::{
    address::Rule,
    connect::{Authorities, CheckedClient, client, literal_allowed},
    exchange::read_all,
};
use crate::{
    domain::{Fault, limits},
    upstream::FailureKind,
};

const SECURE: Rule = Rule { public: true, private: true, loopback: true };
const PLAIN: Rule = Rule { public: false, private: false, loopback: true };

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Neither `https` nor `http` to this machine.
    #[error("`{0}` must be an https url, or http to this machine")]
    Url(String),
    /// Nothing came, or not all of it.
    #[error("`{0}` cannot be read")]
    Unavailable(String),
    /// Another status than 200; redirects are not followed.
    #[error("`{url}` answers with http status {status}")]
    Status {
        /// What was read.
        url: String,
        /// The status.
        status: u16,
    },
    /// More than the bound.
    #[error("`{0}` is larger than {limit} bytes", limit = limits::BODY)]
    TooLarge(String),
}

impl FetchError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Unavailable
    }
}

/// Reads files: `GET`, https or loopback, no redirects, at most 1 MiB within 10 s.
#[derive(Debug, Default)]
pub struct HttpFetch {
    secure: OnceCell<CheckedClient>,
    plain: OnceCell<CheckedClient>,
}

impl HttpFetch {
    /// Reads one file.
    ///
    /// # Errors
    /// The URL is not allowed, or the file did not come whole, in time, within the bound and with status 200.
    pub async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        let refused = || FetchError::Url(url.chars().take(200).collect());
        let unavailable = || FetchError::Unavailable(url.to_owned());
        let target: Uri = url.parse().map_err(|_| refused())?;
        let (cell, rule, authorities) = match target.scheme_str() {
            Some("https") => (&self.secure, SECURE, Authorities::Machine),
            Some("http") => (&self.plain, PLAIN, Authorities::None),
            _ => return Err(refused()),
        };
        let userinfo = target.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if userinfo || !literal_allowed(&target, rule) {
            return Err(refused());
        }
        let client = cell.get_or_try_init(|| async { client(rule, authorities) }).await.map_err(|_| unavailable())?;
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = target;
        *request.headers_mut() = HeaderMap::from_iter([
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        ]);
        let read = async {
            let response = client.request(request).await.map_err(|_| unavailable())?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status { url: url.to_owned(), status: response.status().as_u16() });
            }
            match read_all(response.into_body(), limits::BODY).await {
                Ok(body) => Ok(body.into()),
                Err(FailureKind::TooLarge) => Err(FetchError::TooLarge(url.to_owned())),
                Err(_) => Err(unavailable()),
            }
        };
        timeout(limits::BODY_TIME, read).await.map_err(|_| unavailable())?
    }
}
