//! The accept loop of a listener: bounded connections, header time-out, graceful end.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{domain::limits, mcp::server::Wire};

/// Why a body broke off.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Serves connections of one listener until `stop` turns true, then lets those in flight finish within
/// [`limits::DRAIN`]. `axum::serve` is not used: it has no header time-out (T010).
pub async fn serve<F, A, B>(listener: TcpListener, permits: Arc<Semaphore>, mut stop: watch::Receiver<bool>, answer: F)
where
    F: Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Broken>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = stopped(&mut stop) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer, permit)) => {
                let (answer, stop) = (answer.clone(), stop.clone());
                connections.spawn(async move {
                    converse(stream, peer, stop, answer).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits::DRAIN, finished).await.is_err() {
        tracing::warn!("connections were cut at the end of the drain time");
    }
}

/// Returns when it is time to stop, or when nobody can say so any more.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _closed = stop.wait_for(|stop| *stop).await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

async fn converse<F, A, B>(stream: TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>, answer: F)
where
    F: Fn(Request<Incoming>, SocketAddr) -> A + Send,
    A: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error: Into<Broken>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request, peer);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIME)
        .max_headers(limits::HEADERS)
        .max_buf_size(limits::HEADER_BYTES)
        .serve_connection(TokioIo::new(Wire::new(stream)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}
