//! A collector that can be killed and started again on the same port: rotel where it is set up, else one of ours.

use std::{path::PathBuf, process::Stdio, time::Duration};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    runtime::Runtime,
};

use crate::gateway::until;

enum Running {
    Rotel(Child),
    /// A runtime of its own: when it goes, so do the connections.
    Ours(Runtime),
}

pub struct Collector {
    port: u16,
    running: Option<Running>,
}

struct Sink;

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        _request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

/// The agent of the virtual environment that `tests/setup.sh` makes, or where `POSTERN_ROTEL` says that it is.
fn rotel() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("POSTERN_ROTEL") {
        return Some(path.into());
    }
    let lib = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers/.venv/backends/lib");
    let folders = std::fs::read_dir(lib).ok()?;
    let agents = folders.flatten().map(|python| python.path().join("site-packages/rotel/rotel-agent"));
    agents.into_iter().find(|agent| agent.is_file())
}

/// Whether the collector is a peer that is not ours.
pub fn is_foreign() -> bool {
    rotel().is_some()
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(Running::Ours(runtime)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

impl Collector {
    pub async fn start(port: u16) -> anyhow::Result<Self> {
        let mut collector = Self { port, running: None };
        collector.launch().await?;
        Ok(collector)
    }

    pub async fn launch(&mut self) -> anyhow::Result<()> {
        let address = format!("127.0.0.1:{}", self.port);
        self.running = Some(match rotel() {
            Some(agent) => {
                let mut command = Command::new(agent);
                command.args(["start", "--exporter", "blackhole", "--otlp-grpc-endpoint", &address]);
                let http = format!("127.0.0.1:{}", crate::gateway::free_port()?);
                command.args(["--otlp-http-endpoint", &http]);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
                Running::Rotel(command.spawn()?)
            }
            None => {
                let address = address.parse()?;
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
                runtime.spawn(async move {
                    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Sink));
                    if let Err(error) = server.serve(address).await {
                        println!("       the collector ended: {error}");
                    }
                });
                Running::Ours(runtime)
            }
        });
        let port = self.port;
        let up = async || TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        until("the collector listens", Duration::from_secs(10), up).await?;
        Ok(())
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        match self.running.take() {
            Some(Running::Rotel(mut child)) => child.kill().await?,
            Some(Running::Ours(runtime)) => runtime.shutdown_background(),
            None => {}
        }
        Ok(())
    }
}
