//! Settings become a server, or are refused.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::{
    address::Rule,
    connect::{Authorities, client, literal_allowed},
    exchange::Wire,
    keeper::HttpServer,
};
use crate::{
    domain::{Secret, ServerName},
    mcp::headers,
    upstream::{HttpSettings, ServerSettings, SettingsError, board::Board},
};

impl HttpServer {
    /// Checks the settings and makes the server; nothing is connected yet.
    ///
    /// # Errors
    /// A URL or header that cannot be used, or certificate authorities that cannot be read.
    pub(in crate::upstream) fn new(
        settings: ServerSettings,
        http: HttpSettings,
        board: Arc<Board>,
    ) -> Result<Self, SettingsError> {
        let server = settings.name.clone();
        let headers = own_headers(&server, &http.headers)?;
        let (rule, authorities) = rule(&server, &http)?;
        let client = client(rule, authorities).map_err(|_| SettingsError::Authorities(server))?;
        Ok(Self::with(settings, Arc::new(Wire::new(client, http.url, headers, board))))
    }
}

/// Headers of the configuration, none of which the protocol owns.
pub(in crate::upstream) fn own_headers(
    server: &ServerName,
    configured: &BTreeMap<String, Secret<String>>,
) -> Result<HeaderMap, SettingsError> {
    let reserved = [
        headers::VERSION,
        headers::METHOD,
        headers::NAME,
        headers::SESSION,
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::CONTENT_TYPE,
        header::ACCEPT,
        header::ACCEPT_ENCODING,
    ];
    let mut out = HeaderMap::new();
    for (name, secret) in configured {
        let fault = || SettingsError::Header { server: server.clone(), header: name.clone() };
        let header: HeaderName = name.parse().map_err(|_| fault())?;
        if reserved.contains(&header) || header.as_str().starts_with(headers::PARAMETER) {
            return Err(fault());
        }
        let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| fault())?;
        value.set_sensitive(true);
        out.insert(header, value);
    }
    Ok(out)
}

/// Which addresses the URL may lead to, and who is trusted to name them.
pub(super) fn rule<'a>(server: &ServerName, http: &'a HttpSettings) -> Result<(Rule, Authorities<'a>), SettingsError> {
    let bad = |fault| SettingsError::Url { server: server.clone(), fault };
    let url: &Uri = &http.url;
    let inner = http.allow_private;
    let (rule, authorities) = match url.scheme_str() {
        Some("https") => {
            let authorities = http.authorities.as_deref().map_or(Authorities::Machine, Authorities::These);
            (Rule { public: true, private: inner, loopback: inner }, authorities)
        }
        Some("http") if inner => (Rule { public: false, private: true, loopback: true }, Authorities::None),
        Some("http") => return Err(bad("must be https; http is for private addresses, with `allow_private: true`")),
        _ => return Err(bad("must begin with https:// or http://")),
    };
    if url.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err(bad("must not hold a user or password; use `headers`"));
    }
    if !literal_allowed(url, rule) {
        return Err(bad("leads to an address that is not allowed; see `allow_private`"));
    }
    Ok((rule, authorities))
}
