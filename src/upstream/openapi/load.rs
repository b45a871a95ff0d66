//! Documents from where they are: a file, or a URL that is checked like every other.

use std::{fs::File, io::Read as _, path::Path};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::Full;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    collect::{Api, collect},
    read::{self, DOCUMENT},
    request::dress,
    settings::{Choice, OpenApiSettings, Source},
    url::Base,
};
use crate::{
    domain::{Findings, ServerName, limits},
    upstream::{
        FailureKind, HttpSettings, ServerSettings,
        http::{Plain, read_all},
    },
};

/// Why there are no tools.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The document cannot be had.
    Failed(FailureKind),
    /// The document cannot be used.
    Faulty(Findings),
}

/// Reads the document of a file as the gateway will, and says which operations are left out of the tools.
///
/// # Errors
/// Everything for which the document cannot be used at all.
pub fn check_document(server: &ServerName, path: &Path, choice: &Choice) -> Result<Findings, Findings> {
    let file = path.display().to_string();
    let bytes = read_file(path).map_err(|message| Findings::one(&file, 0, "", message))?;
    let api = api(server, &file, &bytes, choice)?;
    if !choice.placed {
        let url = super::url::of_document(api.server.as_deref(), None);
        url.map_err(|message| Findings::one(&file, 0, "/servers", message))?;
    }
    Ok(api.left_out)
}

/// A document to its tools.
pub(super) fn api(server: &ServerName, file: &str, bytes: &[u8], choice: &Choice) -> Result<Api, Findings> {
    collect(server, file, read::value(file, bytes)?, choice)
}

/// The bytes of the document.
pub(super) async fn bytes(
    settings: &ServerSettings,
    api: &OpenApiSettings,
    headers: &HeaderMap,
) -> Result<Bytes, Trouble> {
    match &api.document {
        Source::File(path) => {
            let (path, shown) = (path.clone(), path.display().to_string());
            let read = spawn_blocking(move || read_file(&path)).await;
            let read = read.map_err(|_| Trouble::Failed(FailureKind::Closed))?;
            read.map_err(|message| Trouble::Faulty(Findings::one(&shown, 0, "", message)))
        }
        Source::Url(url) => {
            let fetched = fetch(settings, api, url, headers);
            let fetched = timeout(settings.timeout.min(limits::CALL_TIME), fetched).await;
            fetched.unwrap_or(Err(FailureKind::Closed)).map_err(Trouble::Failed)
        }
    }
}

fn read_file(path: &Path) -> Result<Bytes, String> {
    let file = File::open(path).map_err(|error| format!("cannot read the file: {error}"))?;
    let mut bytes = Vec::new();
    let bound = u64::try_from(DOCUMENT).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut bytes).map_err(|error| format!("cannot read the file: {error}"))?;
    Ok(bytes.into())
}

async fn fetch(
    settings: &ServerSettings,
    api: &OpenApiSettings,
    url: &Uri,
    headers: &HeaderMap,
) -> Result<Bytes, FailureKind> {
    let place = HttpSettings {
        url: url.clone(),
        headers: std::collections::BTreeMap::new(),
        allow_private: api.allow_private,
        authorities: None,
    };
    let client = Plain::new(&settings.name, &place).map_err(|_| FailureKind::Unreachable)?;
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = url.clone();
    // Credentials are for the API: another host that only keeps the document does not see them.
    let own = api.url.as_ref().is_none_or(|at| Base::same_origin(at, url));
    dress(request.headers_mut(), if own { headers } else { &EMPTY });
    let response = client.send(request).await.map_err(|(kind, _)| kind)?;
    if response.status() != StatusCode::OK {
        return Err(FailureKind::Status(response.status().as_u16()));
    }
    read_all(response.into_body(), DOCUMENT).await.map(Bytes::from)
}

static EMPTY: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
