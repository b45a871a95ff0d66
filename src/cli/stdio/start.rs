//! The command: pipes, signals, the first word to the gateway, and the exit.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, IsTerminal as _},
    os::fd::AsFd as _,
    path::Path,
    thread,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    arguments::Arguments,
    bridge::Bridge,
    desk::Desk,
    gateway::Gateway,
    pipes::{Line, read_lines, write_lines},
    said::{self, Said},
};
use crate::{
    cli::{
        exit::Failure,
        key::{self, KeySource},
    },
    domain::{Secret, limits},
    mcp::{Id, code, emit},
};

/// Lines that wait to be taken, and messages that wait to be written.
const WAITING: usize = 16;
/// How long the client's first request is waited for, if all that can be told is why nothing works.
const FIRST: Duration = Duration::from_secs(1);
/// For the last messages to be read.
const LAST: Duration = Duration::from_secs(2);

/// Bridges standard input and output to the gateway until the input ends.
pub fn stdio(arguments: &Arguments) -> Result<(), Failure> {
    let url = arguments.endpoint()?;
    let key = key_of(arguments.key_file.as_deref(), std::env::var("POSTERN_KEY").ok())?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("POSTERN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr);
    log.try_init().map_err(|error| Failure::Refused(format!("cannot start the log: {error}")))?;
    let gateway = Gateway::new(url, &key)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Refused(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(serve(gateway));
    runtime.shutdown_background();
    ended
}

/// The agent's key. The administrator's is not taken for it by itself.
pub(super) fn key_of(file: Option<&Path>, variable: Option<String>) -> Result<Secret<String>, Failure> {
    if file == Some(Path::new("-")) {
        return Err(Failure::Input("standard input carries MCP here; name a file with --key-file".to_owned()));
    }
    if file.is_none() && variable.is_none() {
        let told = "no key is named; give the agent's with --key-file or in POSTERN_KEY \
                    (`postern key create --agent ID` makes one)";
        return Err(Failure::Input(told.to_owned()));
    }
    key::read(KeySource { file, variable, data: Path::new("") })
}

async fn serve(gateway: Gateway) -> Result<(), Failure> {
    let (to_lines, mut lines) = mpsc::channel(WAITING);
    thread::spawn(move || {
        if let Err(error) = read_lines(BufReader::new(io::stdin()), limits::BODY, &to_lines) {
            tracing::error!(%error, "standard input cannot be read");
        }
    });
    let (out, messages) = mpsc::channel(WAITING);
    let written = writer(messages)?;
    let stop = signals()?;
    match gateway.greet().await {
        Ok(()) => Desk::new(Bridge::new(gateway, out)).run(lines, &stop).await,
        Err(failure) => {
            if !io::stdin().is_terminal() {
                let _silent = timeout(FIRST, explain(&mut lines, out, &failure)).await;
            }
            let _late = timeout(LAST, written).await;
            return Err(failure);
        }
    }
    let _late = timeout(LAST, written).await;
    Ok(())
}

/// Writes messages on a thread of its own, to a handle of its own: whoever runs commands holds the lock of the other.
fn writer(messages: mpsc::Receiver<Bytes>) -> Result<oneshot::Receiver<()>, Failure> {
    let to = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (done, written) = oneshot::channel();
    thread::spawn(move || {
        if let Err(error) = write_lines(messages, BufWriter::new(to)) {
            tracing::info!(%error, "standard output cannot be written");
        }
        let _nobody = done.send(());
    });
    Ok(written)
}

/// Cancelled by the first SIGTERM or SIGINT.
fn signals() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let (mut stream, token) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            stream.recv().await;
            token.cancel();
        });
    }
    Ok(stop)
}

/// Tells the client in answer to its first request why nothing works: few clients show what stands on standard error.
async fn explain(lines: &mut mpsc::Receiver<Line>, out: mpsc::Sender<Bytes>, failure: &Failure) {
    while let Some(line) = lines.recv().await {
        let Line::Text(text) = line else { continue };
        if let Said::Asked(asked) = said::read(text) {
            let error = emit::error(Id::read(&asked.id.raw).ok(), code::INTERNAL, &failure.to_string(), None);
            let _gone = out.send(error).await;
            return;
        }
    }
}
