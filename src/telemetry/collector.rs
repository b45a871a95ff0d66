//! The collector at the other end: OTLP over gRPC.

use std::time::Duration;

use opentelemetry_proto::{
    tonic::collector::trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
    transform::{common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope},
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

/// What the collector did not do.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// It gave no answer, or asks to come again; the same spans may be sent again.
    #[error("the collector does not take spans now")]
    Unavailable(#[source] Box<tonic::Status>),
    /// It did not answer in time; the same spans may be sent again.
    #[error("the collector did not answer in {0:?}")]
    TimedOut(Duration),
    /// It will never take these spans.
    #[error("the collector refused {spans} spans: {why}")]
    Rejected {
        /// How many.
        spans: u64,
        /// What it says.
        why: String,
    },
}

/// A connection to the collector that is made anew after each failure.
#[derive(Debug)]
pub(super) struct Collector {
    endpoint: Endpoint,
    client: TraceServiceClient<Channel>,
    resource: ResourceAttributesWithSchema,
    patience: Duration,
}

impl Collector {
    /// A collector that is given this long for each answer. Must be made inside a runtime.
    pub(super) fn new(endpoint: Endpoint, resource: &Resource, patience: Duration) -> Self {
        let endpoint = endpoint.connect_timeout(patience).tcp_nodelay(true);
        let client = TraceServiceClient::new(endpoint.connect_lazy());
        Self { endpoint, client, resource: resource.into(), patience }
    }

    /// The request that carries these spans.
    pub(super) fn request(&self, spans: Vec<SpanData>) -> ExportTraceServiceRequest {
        if spans.is_empty() {
            return ExportTraceServiceRequest::default();
        }
        ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &self.resource) }
    }

    /// Sends a request, and reads in the answer that all of it was taken.
    pub(super) async fn export(&mut self, request: ExportTraceServiceRequest) -> Result<(), ExportError> {
        let sent = spans_in(&request);
        let result = match tokio::time::timeout(self.patience, self.client.export(request)).await {
            Err(_) => Err(ExportError::TimedOut(self.patience)),
            Ok(Err(status)) if status.code() == Code::InvalidArgument => {
                return Err(ExportError::Rejected { spans: sent, why: status.message().to_owned() });
            }
            Ok(Err(status)) => Err(ExportError::Unavailable(Box::new(status))),
            Ok(Ok(answer)) => match answer.into_inner().partial_success {
                Some(part) if part.rejected_spans > 0 => {
                    let spans = part.rejected_spans.unsigned_abs();
                    return Err(ExportError::Rejected { spans, why: part.error_message });
                }
                Some(_) | None => return Ok(()),
            },
        };
        // A connection that hangs does not mend itself.
        self.client = TraceServiceClient::new(self.endpoint.connect_lazy());
        result
    }
}

/// How many spans a request carries.
pub(super) fn spans_in(request: &ExportTraceServiceRequest) -> u64 {
    let count: usize = request.resource_spans.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len()).sum();
    u64::try_from(count).unwrap_or(u64::MAX)
}
