//! A backend of ours that is asked for the spans of a collector: in the words of Phoenix and in those of Jaeger.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::sink::{Kept, hex};

pub struct Backend {
    pub url: String,
    /// It is there, and answers nothing but errors.
    pub fails: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Backend {
    pub async fn start(kept: Arc<Kept>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let fails: Arc<AtomicBool> = Arc::default();
        let failing = Arc::clone(&fails);
        let task = tokio::spawn(async move {
            // When the task goes, so do the connections.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (kept, failing) = (Arc::clone(&kept), Arc::clone(&failing));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (status, body) = if failing.load(Ordering::SeqCst) {
                        (StatusCode::SERVICE_UNAVAILABLE, json!({}))
                    } else {
                        answer(&request, &kept)
                    };
                    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
                    *response.status_mut() = status;
                    async move { Ok::<_, Infallible>(response) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Ok(Self { url, fails, task })
    }
}

fn answer(request: &Request<Incoming>, kept: &Kept) -> (StatusCode, Value) {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if let Some(trace) = path.strip_prefix("/api/traces/") {
        let spans: Vec<_> = spans(kept, trace, None).into_iter().map(|(trace, span, name)| {
            json!({"traceID": trace, "spanID": span, "operationName": name, "references": [], "tags": [], "logs": [], "processID": "p1"})
        }).collect();
        if spans.is_empty() {
            let error = json!({"code": 404, "msg": "trace not found"});
            return (StatusCode::NOT_FOUND, json!({"data": null, "total": 0, "errors": [error]}));
        }
        let processes = json!({"p1": {"serviceName": "postern", "tags": []}});
        return (
            StatusCode::OK,
            json!({"data": [{"traceID": trace, "spans": spans, "processes": processes}], "errors": null}),
        );
    }
    if path != "/v1/projects/default/spans" {
        return (StatusCode::NOT_FOUND, json!({}));
    }
    let asked = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let found = spans(kept, asked("trace_id").unwrap_or_default(), asked("span_id")).into_iter();
    let found: Vec<_> = found
        .map(|(trace, span, name)| json!({"name": name, "context": {"trace_id": trace, "span_id": span}}))
        .collect();
    (StatusCode::OK, json!({"data": found, "next_cursor": null}))
}

fn spans(kept: &Kept, trace: &str, span: Option<&str>) -> Vec<(String, String, String)> {
    let all = kept.spans().into_iter().map(|one| (hex(&one.trace_id), hex(&one.span_id), one.name));
    all.filter(|(of, id, _)| of == trace && span.is_none_or(|span| span == id)).collect()
}
