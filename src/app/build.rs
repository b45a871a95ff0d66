//! Settings → the house, part by part.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};

use super::{
    alerts::{Alerts, Base},
    clock::SystemClock,
    convert,
    copies::Copies,
    events::Streams,
    exports::Exports,
    house::House,
    keeper::{self, Keeper, Kept},
    marker::{self, Marker},
    marks,
    offsite::Offsite,
    ports::{Log, Web},
    probes::Sealing,
    witnessing,
};
use crate::{
    config::{Durability, Settings, Trust},
    console::Sessions,
    domain::{Clock, ExceptionId, Registry, SuspendReason, Timestamp, limits},
    evidence::{Alarm, AlarmKind, Journal as _, Record},
    exception::Desk,
    gateway::{Admission, Changes, Gateway, InFlight, Parts, Seals},
    identity::{Authenticator, KeyStore, Ports},
    monitoring::{Attendance, Controls, Probe},
    policy::proof::Prover,
    store::{self, Store},
    telemetry::{self, Telemetry},
    upstream::Upstreams,
};

/// How long a solver may take for one question about a submission, and for all of them.
const QUESTION: Duration = Duration::from_secs(2);
const SUBMISSION: Duration = Duration::from_secs(10);

/// What the background looks after.
pub(super) struct Loose {
    pub(super) exhausted: mpsc::Receiver<ExceptionId>,
    pub(super) changes: watch::Sender<Changes>,
    pub(super) alerts: Alerts,
    pub(super) exports: Exports,
    pub(super) marker: Option<Marker>,
}

/// Opens the store, starts the tool servers and puts the parts together. Must run inside the runtime.
pub(super) async fn build(
    settings: &Settings,
    agents: SocketAddr,
    admin: SocketAddr,
) -> anyhow::Result<(Arc<House>, Loose)> {
    let clock = Arc::new(SystemClock::default());
    let (store, recovery) = open(settings, &clock)?;
    let clock: Arc<dyn Clock> = clock;
    let registry = Arc::new(ArcSwap::from_pointee(Registry::default()));
    let telemetry = Arc::new(Telemetry::start(&telemetry::Settings {
        endpoint: settings.telemetry.otlp.clone(),
        ratio: settings.telemetry.sample_ratio,
        lease: settings.telemetry.lease,
    })?);
    telemetry.metrics().audit().orphans(u64::try_from(recovery.unknown.len()).unwrap_or(u64::MAX));
    let upstreams = Arc::new(Upstreams::start(convert::servers(settings)?)?);
    let signer = Arc::clone(&store.keyring().signing);
    let desk = Arc::new(Desk::new(store.clone(), Arc::clone(&registry), signer, Arc::clone(&clock)));
    desk.limit(convert::budget(settings));
    desk.demand(settings.exceptions.approval.clone());
    desk.notify(Arc::new(Log));
    let opening = desk.open().await.context("the exceptions cannot be read")?;
    for (id, what) in &opening.damaged {
        tracing::error!(exception = %id, what, "an exception is not what was approved; it is not used");
    }
    let copies = hold(settings, &store, &desk, clock.now()).await?;
    let sealing = Arc::new(Sealing(Arc::clone(&store.keyring().sealer)));
    let public = settings.listen.public_url(agents);
    let alerts =
        Alerts::new(settings, Base { store: &store, desk: &desk, clock: &clock, source: public.clone() }).await?;
    let exports = Exports::new(settings, &store, &public)?;
    let base = witnessing::Base {
        tiles: &settings.evidence.tiles,
        clock: &clock,
        journal: store.clone(),
        copies: &copies,
        metrics: telemetry.metrics(),
    };
    let offsite = Offsite::new(settings, &base, &public)?;
    let (arrival, marker) = marker::arrival(&telemetry, &clock, settings.telemetry.probe.as_ref())?;
    let attendance = Arc::new(Attendance::default());
    let controls = Controls::new(store.lease(), Arc::clone(telemetry.lease()))
        .with("trace.full", arrival)
        .with("args.capture", sealing.clone())
        .with("response.capture", sealing)
        .with("watch.attached", Arc::clone(&attendance) as Arc<dyn Probe>)
        // A question and its answer are records.
        .with("approval.hold", store.lease())
        .with("shadow.evaluate", Arc::new(super::shadow::Observation));
    let controls = Arc::new(exports.attach(alerts.attach(controls, &desk, &clock), &clock));
    marks::restore(&controls, &store, &desk, clock.now()).await?;
    let (changes, _) = watch::channel(Changes::default());
    let world = Arc::new(ArcSwap::from_pointee(keeper::empty(recovery.epoch + 1)?));
    let keeper = Arc::new(Keeper {
        world: Arc::clone(&world),
        registry: Arc::clone(&registry),
        store: Arc::clone(&store),
        upstreams: Arc::clone(&upstreams),
        telemetry: Arc::clone(&telemetry),
        controls: Arc::clone(&controls),
        clock: Arc::clone(&clock),
        changes: changes.clone(),
        policies: settings.policies.clone(),
        first_use: settings
            .servers
            .iter()
            .filter(|(_, server)| server.trust == Trust::FirstUse)
            .map(|(name, _)| name.clone())
            .collect(),
        sources: Mutex::new(Kept::default()),
    });
    let keys: Arc<dyn KeyStore> = store.clone();
    let ports = Ports { keys, registry, clock: Arc::clone(&clock), fetch: Arc::new(Web::default()) };
    let authenticator = Arc::new(Authenticator::new(convert::identity(settings), &store.keyring().pepper, ports)?);
    let in_flight = Arc::new(InFlight::default());
    let (exhausted, spent) = mpsc::channel(limits::IN_FLIGHT);
    let admission: Arc<dyn Admission> = store.clone();
    let admin_url = format!("http://{admin}");
    let gateway = Arc::new(Gateway::new(Parts {
        authenticator: Arc::clone(&authenticator),
        rates: convert::rates(settings),
        world,
        exceptions: desk.index(),
        controls: Arc::clone(&controls),
        admission,
        sealer: Arc::clone(&store.keyring().sealer),
        keep: settings.evidence.arguments.clone(),
        upstreams: Arc::clone(&upstreams),
        telemetry: Arc::clone(&telemetry),
        in_flight: Arc::clone(&in_flight),
        clock: Arc::clone(&clock),
        exhausted,
        changes: changes.clone(),
        seals: Seals::new(&store.keyring().handles)?,
        servers: settings.servers.keys().cloned().collect(),
        call_timeout: settings.limits.call_timeout,
        denials: convert::denials(settings),
        admin_url: admin_url.clone(),
        resource_metadata: format!("{public}/.well-known/oauth-protected-resource/mcp"),
    })?);
    let sessions = Arc::new(Sessions::new(Arc::clone(&clock)));
    let house = House {
        store,
        desk,
        keeper,
        authenticator,
        controls,
        attendance,
        readers: crate::evidence::Readers::default(),
        streams: Streams::default(),
        telemetry,
        upstreams,
        in_flight,
        gateway,
        sessions,
        clock,
        studies: Semaphore::new(1),
        analysis_days: settings.exceptions.analysis_days,
        prover: Prover::find().await.within(QUESTION, SUBMISSION),
        require_proofs: settings.exceptions.require_proofs,
        tiles: settings.evidence.tiles.clone(),
        laying: super::tiles::Laying::default(),
        copies,
        offsite,
        tally: tokio::sync::Mutex::default(),
        needs: tokio::sync::Mutex::default(),
        shadowed: watch::Sender::new(0),
        exports: exports.running.clone(),
        webhooks: alerts.running.clone(),
        retention: super::retention::Retaining::new(settings),
        admin_url,
    };
    Ok((Arc::new(house), Loose { exhausted: spent, changes, alerts, exports, marker }))
}

/// Holds the store against the checkpoints that left the machine. One that is behind must revive nothing: every
/// exception is suspended, each by an event, and all of them for as long as the copy says so (T104).
async fn hold(settings: &Settings, store: &Store, desk: &Desk, now: Timestamp) -> anyhow::Result<Option<Arc<Copies>>> {
    let copies = Copies::new(&settings.store.checkpoint_copies);
    let Some(why) = copies.against(store).await else { return Ok(Some(Arc::new(copies))) };
    desk.index().suspend_all(Some(SuspendReason::StoreBehind));
    tracing::error!(why, "the store is behind a checkpoint that left the machine; every exception is suspended");
    let alarm = Alarm { at: now, about: AlarmKind::StoreBehind, exception: None, decision: None, detail: why.clone() };
    store.append(Record::Alarm(alarm)).await.context("the alarm of a store that is behind is not durable")?;
    desk.hold_all(SuspendReason::StoreBehind, &why).await.context("exceptions cannot be suspended")?;
    Ok(None)
}

fn open(settings: &Settings, clock: &Arc<SystemClock>) -> anyhow::Result<(Arc<Store>, store::Recovery)> {
    let durability = match settings.store.durability {
        Durability::All => store::Durability::All,
        Durability::Exceptions => store::Durability::Exceptions,
    };
    let wanted = store::Settings {
        durability,
        commit_timeout: settings.store.commit_timeout,
        config: settings.digest,
        ..store::Settings::default()
    };
    let place = || format!("the store in `{}` cannot be opened", settings.data.display());
    let (store, recovery) =
        Store::open(&settings.data, wanted, Arc::clone(clock) as Arc<dyn Clock>).with_context(place)?;
    if let Some(latest) = recovery.latest {
        clock.raise(latest);
    }
    if !recovery.unknown.is_empty() {
        tracing::warn!(
            calls = recovery.unknown.len(),
            "calls were under way when the gateway ended; their effect is unknown and recorded so"
        );
    }
    for id in &recovery.changed {
        tracing::error!(exception = %id, "the stored record is not what was approved; it is refused");
    }
    Ok((store, recovery))
}
