//! Plain requests to one checked place, for what is no tool server of MCP.

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming as Body;

use super::{
    connect::{CheckedClient, client},
    settle::rule,
};
use crate::{
    domain::ServerName,
    upstream::{FailureKind, HttpSettings, SettingsError},
};

/// A client whose connections are checked by the rule of one URL.
pub(in crate::upstream) struct Plain(CheckedClient);

impl Plain {
    /// Makes a client for the URL of the settings; nothing is connected yet.
    ///
    /// # Errors
    /// A URL that may not be reached, or certificate authorities that cannot be read.
    pub(in crate::upstream) fn new(server: &ServerName, http: &HttpSettings) -> Result<Self, SettingsError> {
        let (rule, authorities) = rule(server, http)?;
        client(rule, authorities).map(Self).map_err(|_| SettingsError::Authorities(server.clone()))
    }

    /// Sends a request. Redirects and encodings that were not asked for are failures.
    ///
    /// # Errors
    /// Why there is no response, and whether the server may have seen the request.
    pub(in crate::upstream) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, (FailureKind, bool)> {
        let response = self.0.request(request).await.map_err(|error| {
            if error.is_connect() { (FailureKind::Unreachable, false) } else { (FailureKind::Closed, true) }
        })?;
        if response.status().is_redirection() {
            return Err((FailureKind::Redirected, true));
        }
        if response.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err((FailureKind::Garbage, true));
        }
        Ok(response)
    }
}
