//! Single log records to a collector, each acknowledged: OTLP over gRPC.

use std::time::Duration;

use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource,
};
use tonic::transport::{Channel, Endpoint};

use super::start::{StartError, endpoint};
use crate::domain::{Timestamp, names};

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
}

/// One log record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// The name of the event.
    pub event: &'static str,
    /// What it says.
    pub body: String,
    /// The facts of it.
    pub attributes: Vec<(&'static str, Said)>,
}

/// Sends log records to one collector.
#[derive(Debug)]
pub struct LogSender {
    endpoint: Endpoint,
    client: LogsServiceClient<Channel>,
}

impl LogSender {
    /// A sender to this collector, which need not be there yet. Must be made inside a runtime.
    ///
    /// # Errors
    /// The address is not `http://host:port`.
    pub fn new(address: &str) -> Result<Self, StartError> {
        let endpoint = endpoint(address).ok_or_else(|| StartError::Endpoint(address.to_owned()))?;
        let endpoint = endpoint.connect_timeout(PATIENCE).tcp_nodelay(true);
        let client = LogsServiceClient::new(endpoint.connect_lazy());
        Ok(Self { endpoint, client })
    }

    /// Sends one record, and reads in the answer that it was taken.
    ///
    /// # Errors
    /// It was not; why, in one clause.
    pub async fn send(&mut self, line: LogLine) -> Result<(), String> {
        let sent = tokio::time::timeout(PATIENCE, self.client.export(request(line))).await;
        let why = match sent {
            Err(_) => format!("the collector did not answer within {} s", PATIENCE.as_secs()),
            Ok(Err(status)) => format!("the collector does not take log records: {}", status.message()),
            Ok(Ok(answer)) => match answer.into_inner().partial_success {
                Some(part) if part.rejected_log_records > 0 => {
                    return Err(format!("the collector rejects the log record: {}", part.error_message));
                }
                Some(_) | None => return Ok(()),
            },
        };
        // A connection that hangs does not mend itself.
        self.client = LogsServiceClient::new(self.endpoint.connect_lazy());
        Err(why)
    }
}

fn request(line: LogLine) -> ExportLogsServiceRequest {
    let nanos = line.at.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or_default();
    let attributes = line.attributes.into_iter().map(|(key, said)| {
        pair(
            key,
            match said {
                Said::Text(text) => Value::StringValue(text),
                Said::Number(number) => Value::IntValue(number),
            },
        )
    });
    let record = LogRecord {
        time_unix_nano: nanos,
        observed_time_unix_nano: nanos,
        severity_number: SeverityNumber::Info.into(),
        severity_text: "INFO".to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(line.body)) }),
        attributes: attributes.collect(),
        event_name: line.event.to_owned(),
        ..LogRecord::default()
    };
    let text = |text: &str| Value::StringValue(text.to_owned());
    let resource =
        vec![pair("service.name", text(names::SCOPE)), pair("service.version", text(env!("CARGO_PKG_VERSION")))];
    let scope = InstrumentationScope { name: names::SCOPE.to_owned(), ..InstrumentationScope::default() };
    let logs = ScopeLogs { scope: Some(scope), log_records: vec![record], ..ScopeLogs::default() };
    let resource = Some(Resource { attributes: resource, ..Resource::default() });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource, scope_logs: vec![logs], ..ResourceLogs::default() }],
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
