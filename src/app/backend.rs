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
    /// Phoenix: `GET /v1/projects/{project}/spans?trace_id=…&span_id=…`.
    Phoenix {
        /// The project that the traces are in.
        project: String,
    },
    /// Jaeger, and what speaks as it does: `GET /api/traces/{id}`.
    Jaeger,
}

impl Dialect {
    /// The ids of the spans in an answer.
    fn spans(&self, answer: &Value) -> BTreeSet<String> {
        let (list, id) = match self {
            Self::Phoenix { .. } => ("/data", "/context/span_id"),
            Self::Jaeger => ("/data/0/spans", "/spanID"),
        };
        let spans = answer.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ids = spans.iter().filter_map(|span| span.pointer(id)?.as_str());
        // Some leave zeros at the front out.
        ids.map(|id| format!("{:0>16}", id.to_lowercase())).collect()
    }
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

    /// Whether it has this span of this trace; both ids in hex.
    ///
    /// # Errors
    /// It gives no answer, or none that can be read; said in one clause.
    pub async fn has(&self, trace: &str, span: &str) -> Result<bool, String> {
        let path = match &self.dialect {
            Dialect::Phoenix { project } => {
                let project = percent_encoding::utf8_percent_encode(project, percent_encoding::NON_ALPHANUMERIC);
                // One that knows no `span_id` answers with the trace.
                format!("/v1/projects/{project}/spans?trace_id={trace}&span_id={span}&limit=1000")
            }
            Dialect::Jaeger => format!("/api/traces/{trace}"),
        };
        let answer = self.get(&path).await?;
        Ok(answer.is_some_and(|answer| self.dialect.spans(&answer).contains(span)))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_spans_of_an_answer_are_found_in_the_words_of_jaeger_and_of_phoenix() {
        // As Jaeger's query service documents its JSON; it is not among what the tests can install.
        let jaeger = json!({"data": [{"traceID": "0af7651916cd43dd8448eb211c80319c", "spans": [
            {"traceID": "0af7651916cd43dd8448eb211c80319c", "spanID": "b7ad6b7169203331", "operationName": "tools/call a",
             "references": [], "startTime": 1_800_000_000_000_000_u64, "duration": 12, "logs": [], "processID": "p1",
             "tags": [{"key": "postern.exception.id", "type": "string", "value": "EX-1"}], "warnings": null},
            {"traceID": "0af7651916cd43dd8448eb211c80319c", "spanID": "7AD6B7169203331", "operationName": "postern.authorize",
             "references": [{"refType": "CHILD_OF", "traceID": "0af7651916cd43dd8448eb211c80319c", "spanID": "b7ad6b7169203331"}],
             "startTime": 1_800_000_000_000_000_u64, "duration": 1, "tags": [], "logs": [], "processID": "p1", "warnings": null},
        ], "processes": {"p1": {"serviceName": "postern", "tags": []}}, "warnings": null}],
            "total": 0, "limit": 0, "offset": 0, "errors": null});
        let found: Vec<_> = Dialect::Jaeger.spans(&jaeger).into_iter().collect();
        assert_eq!(found, ["07ad6b7169203331", "b7ad6b7169203331"]);
        let missing = json!({"data": null, "total": 0, "errors": [{"code": 404, "msg": "trace not found"}]});
        assert!(Dialect::Jaeger.spans(&missing).is_empty());

        let phoenix = Dialect::Phoenix { project: "default".to_owned() };
        let answer = json!({"data": [{"name": "a", "context": {"trace_id": "0af7", "span_id": "b7ad6b7169203331"}}],
            "next_cursor": null});
        assert!(phoenix.spans(&answer).contains("b7ad6b7169203331") && phoenix.spans(&jaeger).is_empty());
    }
}
