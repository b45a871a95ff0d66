//! What a trace backend has: asked of Phoenix or of Jaeger over their query APIs.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// Until an answer is complete.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const ANSWER: usize = 8 << 20;

/// Which API a backend speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    /// Phoenix: `GET /v1/projects/{project}/spans?trace_id=…`.
    Phoenix {
        /// The project that the traces are in.
        project: String,
    },
    /// Jaeger, and what speaks as it does: `GET /api/traces/{id}`.
    Jaeger,
}

/// A backend that can be asked for traces.
#[derive(Debug)]
pub struct Backend {
    base: String,
    dialect: Dialect,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Backend {
    /// The backend at this URL.
    ///
    /// # Errors
    /// The machine's certificates cannot be read.
    pub fn new(url: &str, dialect: Dialect) -> Result<Self, String> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let connector = match HttpsConnectorBuilder::new().with_provider_and_native_roots(provider.clone()) {
            Ok(builder) => builder.https_or_http().enable_http1().build(),
            Err(error) if url.starts_with("https:") => return Err(format!("no certificates to trust: {error}")),
            Err(_) => {
                let config = rustls::ClientConfig::builder_with_provider(provider.into())
                    .with_safe_default_protocol_versions()
                    .map_err(|error| error.to_string())?
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build()
            }
        };
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { base: url.trim_end_matches('/').to_owned(), dialect, client })
    }

    /// The ids of the spans that it has of this trace.
    ///
    /// # Errors
    /// It gives no answer, or none that can be read; said in one clause.
    pub async fn spans(&self, trace: &str) -> Result<BTreeSet<String>, String> {
        let (path, list, id) = match &self.dialect {
            Dialect::Phoenix { project } => {
                let project = percent_encoding::utf8_percent_encode(project, percent_encoding::NON_ALPHANUMERIC);
                (format!("/v1/projects/{project}/spans?trace_id={trace}&limit=1000"), "/data", "/context/span_id")
            }
            Dialect::Jaeger => (format!("/api/traces/{trace}"), "/data/0/spans", "/spanID"),
        };
        let Some(answer) = self.get(&path).await? else { return Ok(BTreeSet::new()) };
        let spans = answer.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(spans.iter().filter_map(|span| span.pointer(id)?.as_str().map(str::to_lowercase)).collect())
    }

    async fn get(&self, path: &str) -> Result<Option<Value>, String> {
        let url = format!("{}{path}", self.base);
        let request = Request::get(&url).header(header::ACCEPT, "application/json").body(Empty::new());
        let request = request.map_err(|error| format!("`{url}` cannot be asked for: {error}"))?;
        let asked = async {
            let answer = self.client.request(request).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER).collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>((status, body.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|_| format!("{} gave no answer in 10 s", self.base))?
            .map_err(|error| format!("{} cannot be asked: {error}", self.base))?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|_| format!("`{url}` answered no JSON")),
            // A trace, or a project, that is not there.
            StatusCode::NOT_FOUND => Ok(None),
            other => Err(format!("`{url}` answered {other}")),
        }
    }
}
