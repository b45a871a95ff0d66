//! A log record counts as sent when the collector says that it took it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    common::v1::any_value::Value,
    logs::v1::LogRecord,
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use super::super::{LogLine, LogSender, Said};

#[derive(Default)]
struct Kept {
    records: Mutex<Vec<LogRecord>>,
    refuses: AtomicBool,
}

struct Service(Arc<Kept>);

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let records = request.into_inner().resource_logs.into_iter().flat_map(|r| r.scope_logs);
        let records: Vec<_> = records.flat_map(|scope| scope.log_records).collect();
        let refused = self.0.refuses.load(Ordering::SeqCst).then(|| ExportLogsPartialSuccess {
            rejected_log_records: i64::try_from(records.len()).unwrap(),
            error_message: "quota".to_owned(),
        });
        if refused.is_none() {
            self.0.records.lock().unwrap().extend(records);
        }
        Ok(Response::new(ExportLogsServiceResponse { partial_success: refused }))
    }
}

fn line(size: i64) -> LogLine {
    LogLine {
        at: "2026-11-24T10:00:00Z".parse().unwrap(),
        event: "postern.checkpoint",
        body: format!("origin\n{size}\n"),
        attributes: vec![("postern.checkpoint.size", Said::Number(size))],
    }
}

#[tokio::test]
async fn a_rejected_record_is_not_sent_and_a_collector_that_comes_later_is_found() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut sender = LogSender::new(&format!("http://{address}")).unwrap();
    assert!(sender.send(line(1)).await.unwrap_err().contains("does not take log records"));

    let kept = Arc::new(Kept::default());
    let service = LogsServiceServer::new(Service(Arc::clone(&kept)));
    let incoming = TcpIncoming::from(TcpListener::bind(address).await.unwrap());
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    kept.refuses.store(true, Ordering::SeqCst);
    assert_eq!(sender.send(line(2)).await.unwrap_err(), "the collector rejects the log record: quota");
    kept.refuses.store(false, Ordering::SeqCst);
    sender.send(line(3)).await.unwrap();

    let records = kept.records.lock().unwrap();
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((record.event_name.as_str(), record.time_unix_nano), ("postern.checkpoint", 1_795_514_400_000_000_000));
    let text = record.body.clone().and_then(|body| body.value);
    assert_eq!(text, Some(Value::StringValue("origin\n3\n".to_owned())));
    assert_eq!(record.attributes[0].value.clone().unwrap().value, Some(Value::IntValue(3)));
    assert!(LogSender::new("https://collector.example/v1/logs").is_err());
}
