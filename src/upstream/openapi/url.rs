//! Where an API is: one host, and a path that every request begins with.

use http::{Uri, uri::Authority};

/// The place of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// The URL as it was given.
    pub(super) url: Uri,
    authority: Authority,
    path: String,
}

impl Base {
    /// Takes an absolute URL without a query.
    pub(super) fn new(url: Uri) -> Result<Self, &'static str> {
        if url.query().is_some() {
            return Err("must not hold a query; use `query` for what every request carries");
        }
        let authority = url.authority().cloned().ok_or("must be absolute, such as https://api.example.org/v1")?;
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { url, authority, path })
    }

    /// The URL of a request: nothing but path and query differ from one to the next.
    pub(super) fn join(&self, path: &str, query: &str) -> Option<Uri> {
        let mark = if query.is_empty() { "" } else { "?" };
        let scheme = self.url.scheme()?.clone();
        let whole = format!("{}{path}{mark}{query}", self.path);
        Uri::builder().scheme(scheme).authority(self.authority.clone()).path_and_query(whole).build().ok()
    }

    /// Whether two URLs have scheme, host and port in common.
    pub(super) fn same_origin(left: &Uri, right: &Uri) -> bool {
        let origin = |url: &Uri| {
            let scheme = url.scheme_str().unwrap_or_default().to_ascii_lowercase();
            let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
            (scheme, url.host().unwrap_or_default().to_ascii_lowercase(), port)
        };
        origin(left) == origin(right)
    }
}

/// Where the document says that the API is. A document that was fetched may only say its own host: it decides where
/// credentials go.
pub(super) fn of_document(named: Option<&str>, fetched_from: Option<&Uri>) -> Result<Uri, &'static str> {
    const MEND: &str = "the document does not say where the API is; set `openapi.url`";
    let Some(named) = named.or(fetched_from.map(|_| "/")) else { return Err(MEND) };
    let absolute = if named.contains("://") {
        named.parse::<Uri>().ok()
    } else {
        fetched_from.and_then(|from| {
            let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = match named.strip_prefix("./").unwrap_or(named) {
                rooted if rooted.starts_with('/') => rooted.to_owned(),
                relative => format!("{folder}/{relative}"),
            };
            let (scheme, authority) = (from.scheme()?.clone(), from.authority()?.clone());
            Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
        })
    };
    let absolute = absolute.ok_or(MEND)?;
    match fetched_from {
        Some(from) if !Base::same_origin(from, &absolute) => {
            Err("the document places the API on another host than its own; set `openapi.url` if that is right")
        }
        _ => Ok(absolute),
    }
}
