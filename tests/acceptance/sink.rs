//! A collector of ours that keeps what it takes, and can lie, dawdle, be killed and come back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use tokio::runtime::Runtime;

use crate::gateway::until;

/// How it answers.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// It says success and takes no span.
    pub lies: bool,
    /// It says success and means it, and keeps nothing.
    pub drops: bool,
    /// It takes no request with a span of this exception.
    pub refuses: Option<String>,
    /// It waits before it answers.
    pub dawdles: Duration,
}

#[derive(Debug, Default)]
pub struct Kept {
    spans: Mutex<Vec<Span>>,
    /// All requests, as text.
    raw: Mutex<String>,
    manner: Mutex<Manner>,
    asked: AtomicU64,
}

impl Kept {
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// All that was sent, as text.
    pub fn raw(&self) -> String {
        self.raw.lock().unwrap().clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// Forgets the spans of a trace.
    pub fn forget(&self, trace: &str) {
        self.spans.lock().unwrap().retain(|span| hex(&span.trace_id) != trace);
    }

    /// Requests so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The SERVER spans of uses: the decision's place in the journal, and the ids that it came under.
    pub fn uses(&self) -> BTreeMap<i64, BTreeSet<String>> {
        let mut uses: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for span in self.spans.lock().unwrap().iter() {
            let allowed = text(span, "postern.authz.decision").as_deref() == Some("allow");
            if span.kind() != SpanKind::Server || text(span, "postern.exception.id").is_none() || !allowed {
                continue;
            }
            let id = format!("{} {}", hex(&span.trace_id), hex(&span.span_id));
            uses.entry(number(span, "postern.audit.seq").unwrap_or_default()).or_default().insert(id);
        }
        uses
    }
}

pub fn text(span: &Span, key: &str) -> Option<String> {
    match span.attributes.iter().find(|pair| pair.key == key)?.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

pub fn number(span: &Span, key: &str) -> Option<i64> {
    match span.attributes.iter().find(|pair| pair.key == key)?.value.clone()?.value? {
        Value::IntValue(number) => Some(number),
        _ => None,
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Service(Arc<Kept>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let manner = self.0.manner.lock().unwrap().clone();
        tokio::time::sleep(manner.dawdles).await;
        self.0.raw.lock().unwrap().push_str(&format!("{:?} {:?}\n", request.metadata(), request.get_ref()));
        let resources = request.into_inner().resource_spans;
        let spans: Vec<Span> = resources.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans).collect();
        let named = spans.iter().any(|span| text(span, "postern.exception.id") == manner.refuses);
        let refused = !spans.is_empty() && (manner.lies || manner.refuses.is_some() && named);
        let partial_success = refused.then(|| ExportTracePartialSuccess {
            rejected_spans: i64::try_from(spans.len()).unwrap_or_default(),
            error_message: "quota".to_owned(),
        });
        if !refused && !manner.drops {
            self.0.spans.lock().unwrap().extend(spans);
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

pub struct Sink {
    pub kept: Arc<Kept>,
    port: u16,
    /// A runtime of its own: when it goes, so do the connections.
    runtime: Option<Runtime>,
}

impl Sink {
    pub async fn start(port: u16) -> anyhow::Result<Self> {
        let mut sink = Self { kept: Arc::default(), port, runtime: None };
        sink.launch().await?;
        Ok(sink)
    }

    pub async fn launch(&mut self) -> anyhow::Result<()> {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], self.port));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let service = TraceServiceServer::new(Service(Arc::clone(&self.kept)));
        runtime.spawn(async move {
            if let Err(error) = tonic::transport::Server::builder().add_service(service).serve(address).await {
                println!("       the collector ended: {error}");
            }
        });
        self.runtime = Some(runtime);
        let up = async || tokio::net::TcpStream::connect(address).await.is_ok();
        until("the collector listens", Duration::from_secs(10), up).await?;
        Ok(())
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.kill();
    }
}
