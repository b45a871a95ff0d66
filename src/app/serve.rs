//! Listens, serves and drains.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tower_service::Service as _;

use super::{admin, background, build, house::House, listen, replay::Replay};
use crate::{
    api::{self, ApiSettings, Operations},
    config::Settings,
    console,
    domain::limits,
    mcp::server::{Answer, Endpoint, EndpointSettings},
};

const METADATA: &str = "/.well-known/oauth-protected-resource";

/// A gateway that serves, with the addresses that it got.
pub struct Running {
    /// Where agents connect.
    pub agents: SocketAddr,
    /// Where people and programs administer.
    pub admin: SocketAddr,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Running {
    /// Stops accepting, lets calls in flight finish within the drain time, writes the last record and ends.
    pub async fn stop(self) {
        let _nobody_listens = self.stop.send(true);
        let _ended = self.served.await;
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// An address that is taken, a store that cannot be opened, settings that a part refuses.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let running = start(settings).await?;
    println!("Agents: http://{}/mcp", running.agents);
    println!("Administration: http://{}", running.admin);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    tracing::info!("draining");
    running.stop().await;
    Ok(())
}

/// Builds the gateway and begins to serve.
///
/// # Errors
/// As [`serve`].
pub async fn start(settings: Settings) -> anyhow::Result<Running> {
    if settings.listen.tls.is_some() {
        anyhow::bail!(
            "`listen.tls` is not served by this version; put a proxy that ends TLS in front and set `insecure_plaintext`"
        );
    }
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
    };
    let (agents, admin) = (bind(settings.listen.agents).await?, bind(settings.listen.admin).await?);
    let (agents_at, admin_at) = (agents.local_addr()?, admin.local_addr()?);
    let (house, loose) = build::build(&settings, agents_at, admin_at).await?;
    admin::first_key(&house, &settings.data).await?;
    if let Err(error) = house.keeper.reload("start").await {
        tracing::error!("the policies are not in force, so everything is denied:\n{error}");
    }
    let (stop, stopped) = watch::channel(false);
    let mut tasks = background::start(&house, loose, &stopped);
    let replay = Replay::begin(&house).await;
    tasks.spawn(Arc::clone(&replay).run());
    let permits = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let endpoint = Arc::new(endpoint(&settings, &house, agents_at));
    let front = tokio::spawn(listen::serve(
        agents,
        Arc::clone(&permits),
        stopped.clone(),
        answer(Arc::clone(&endpoint), &settings, &house, agents_at),
    ));
    let back =
        tokio::spawn(listen::serve(admin, permits, stopped.clone(), administration(&settings, &house, admin_at)));
    let served = tokio::spawn(async move {
        let mut stopped = stopped;
        listen::stopped(&mut stopped).await;
        endpoint.close_streams();
        house.streams.close();
        let _front = front.await;
        let _back = back.await;
        if tokio::time::timeout(limits::DRAIN, house.gateway.idle()).await.is_err() {
            tracing::warn!("calls were still under way at the end of the drain time; the next start names them");
        }
        tasks.shutdown().await;
        house.upstreams.stop().await;
        house.telemetry.stop(limits::CONNECT_TIME).await;
        replay.finish().await;
        // This writes the record of the end, the last of all.
        house.store.close().await;
        if let Some(note) = house.store.checkpoint() {
            let (tiles, witnessing) = ((&*house.tiles, &house.laying), house.offsite.witnessing.as_deref());
            let publish = super::tiles::publish(&house.store, tiles, (None, witnessing), &note);
            let (published, ()) = tokio::join!(publish, house.offsite.last(&note));
            if let Err(error) = published {
                tracing::error!(error, "the last tiles are not written; the next start writes them");
            }
        }
        if let (Some(copies), Some(note)) = (&house.copies, house.store.checkpoint()) {
            copies.write(note, false).await;
        }
    });
    Ok(Running { agents: agents_at, admin: admin_at, stop, served })
}

fn endpoint(settings: &Settings, house: &Arc<House>, bound: SocketAddr) -> Endpoint {
    let handler: Arc<dyn crate::mcp::server::Handler> = Arc::new(house.gateway.clone());
    Endpoint::new(
        handler,
        EndpointSettings {
            allowed_hosts: settings.listen.accepted_hosts(bound).into_iter().collect(),
            allowed_origins: settings.listen.origins.clone(),
            public_url: settings.listen.public_url(bound),
            legacy: true,
            instructions: None,
        },
    )
}

/// The agents' listener: MCP, and the protected resource metadata (RFC 9728).
fn answer(
    endpoint: Arc<Endpoint>,
    settings: &Settings,
    house: &Arc<House>,
    bound: SocketAddr,
) -> impl Fn(Request<Incoming>, SocketAddr) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send>> + Clone + Send + 'static
{
    let public = settings.listen.public_url(bound);
    let issuers: Arc<[String]> = settings.identity.issuers.iter().map(|issuer| issuer.issuer.clone()).collect();
    let house = Arc::clone(house);
    move |request, peer| {
        let (endpoint, public, issuers, house) =
            (Arc::clone(&endpoint), public.clone(), Arc::clone(&issuers), Arc::clone(&house));
        Box::pin(async move {
            match request.uri().path().strip_prefix(METADATA) {
                Some(rest) if request.method() == Method::GET => metadata(rest, &public, &issuers, &house),
                _ => endpoint.respond(request, peer).await,
            }
        })
    }
}

fn metadata(rest: &str, public: &str, issuers: &[String], house: &House) -> Answer {
    let server = rest.strip_prefix("/mcp/").and_then(|name| name.parse().ok());
    let known =
        rest.is_empty() || rest == "/mcp" || server.is_some_and(|name| house.upstreams.health().contains_key(&name));
    let path = if rest.is_empty() { "/mcp" } else { rest };
    let body = if known {
        json!({"resource": format!("{public}{path}"), "authorization_servers": issuers, "bearer_methods_supported": ["header"]}).to_string()
    } else {
        String::new()
    };
    let mut answer = Response::new(Full::from(body).boxed());
    *answer.status_mut() = if known { StatusCode::OK } else { StatusCode::NOT_FOUND };
    answer.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}

/// The administration listener: API and console.
fn administration(
    settings: &Settings,
    house: &Arc<House>,
    bound: SocketAddr,
) -> impl Fn(Request<Incoming>, SocketAddr) -> std::pin::Pin<Box<dyn Future<Output = Response<axum::body::Body>> + Send>>
+ Clone
+ Send
+ 'static {
    let operations: Arc<dyn Operations> = house.clone();
    let pages = console::router((house.clone(), house.clone()), Arc::clone(&house.sessions), Arc::clone(&house.clock));
    let hosts = settings.listen.accepted_hosts(bound);
    let router = api::router(operations, pages, ApiSettings { hosts, tls: false });
    move |request, _peer| {
        let mut router = router.clone();
        Box::pin(async move {
            let answered: Result<_, std::convert::Infallible> = router.call(request).await;
            match answered {
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        })
    }
}
