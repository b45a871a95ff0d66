//! A collector in this process that keeps what it is sent, and can be killed.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// What a collector has, whether it lives or not.
#[derive(Debug, Default)]
pub(super) struct Kept {
    spans: Mutex<Vec<Span>>,
    refuses: AtomicBool,
    hangs: AtomicBool,
}

impl Kept {
    pub(super) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    pub(super) fn named(&self, name: &str) -> Option<Span> {
        self.spans().into_iter().find(|span| span.name == name)
    }

    /// From now on it answers "success" and rejects every span.
    pub(super) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// From now on it answers nothing, or answers again.
    pub(super) fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }
}

/// An attribute as text.
pub(super) fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|pair| pair.key == key)?.value.clone()?.value?;
    if let Value::StringValue(text) = value { Some(text) } else { Some(format!("{value:?}")) }
}

struct Service(Arc<Kept>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.0.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let resources = request.into_inner().resource_spans;
        let spans: Vec<Span> = resources.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans).collect();
        let refused = self.0.refuses.load(Ordering::SeqCst) && !spans.is_empty();
        let partial_success = refused.then(|| ExportTracePartialSuccess {
            rejected_spans: spans.len().try_into().unwrap(),
            error_message: "quota".to_owned(),
        });
        if !refused {
            self.0.spans.lock().unwrap().extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

/// A collector; dropping it kills it with every connection.
pub(super) struct Sink {
    pub(super) kept: Arc<Kept>,
    pub(super) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Sink {
    pub(super) fn start() -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::default())
    }

    pub(super) fn at(address: SocketAddr, kept: Arc<Kept>) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let service = TraceServiceServer::new(Service(Arc::clone(&kept)));
        runtime.spawn(async move {
            let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap());
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { kept, address, runtime: Some(runtime) }
    }

    pub(super) fn url(&self) -> Option<String> {
        Some(format!("http://{}", self.address))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}
