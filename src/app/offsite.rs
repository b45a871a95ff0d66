//! Checkpoints that leave the machine: to a webhook, to a collector, and to witnesses.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{sync::watch, task::JoinSet};

use super::{
    alerts::Way,
    witnessing::{Base, Witnessing},
};
use crate::{
    api::ExportView,
    config::Settings,
    delivery::{ByLog, ByWebhook, Courier, Departure, Signer, Standing},
    evidence::Checkpoint,
    telemetry::LogSender,
    upstream::HttpPost,
};

/// For how long a receiver may lack what is signed before it is called unhealthy.
const LATE: Duration = Duration::from_secs(180);

/// Everything that takes checkpoints off the machine.
pub(super) struct Offsite {
    departures: Vec<Arc<Departure>>,
    pub(super) witnessing: Option<Arc<Witnessing>>,
}

impl Offsite {
    /// What postern.yaml names; nothing of it runs yet. Must be made inside the runtime.
    pub(super) fn new(settings: &Settings, base: &Base<'_>, source: &str) -> anyhow::Result<Self> {
        let pace = &settings.evidence.checkpoints;
        let mut departures = Vec::new();
        let mut depart = |name: &str, courier: Box<dyn Courier>| {
            let standing = Arc::new(Standing::new(name.to_owned(), Arc::clone(base.metrics)));
            departures.push(Arc::new(Departure::new(courier, pace.every, standing)));
        };
        if let Some(webhook) = &pace.webhook {
            let place = "the webhook of checkpoints cannot be used";
            let post = HttpPost::new(&webhook.url, webhook.allow_private, webhook.timeout).context(place)?;
            let signer = Signer::new(&webhook.secret).map_err(anyhow::Error::msg).context(place)?;
            let (clock, source) = (Arc::clone(base.clock), source.into());
            depart("webhook", Box::new(ByWebhook { post: Box::new(Way(post)), signer, clock, source }));
        }
        if let Some(address) = &pace.otlp {
            let sender = LogSender::new(address).context("the collector of checkpoints cannot be used")?;
            depart("otlp", Box::new(ByLog::new(sender, Arc::clone(base.clock))));
        }
        let wanted = settings.evidence.witnesses.as_ref();
        let witnessing = wanted.map(|wanted| Witnessing::new(wanted, pace, base).map(Arc::new)).transpose()?;
        Ok(Self { departures, witnessing })
    }

    /// Begins to carry; witnesses are asked by whoever publishes the tiles.
    pub(super) fn run(&self, tasks: &mut JoinSet<()>, checkpoints: &watch::Receiver<Option<Arc<str>>>) {
        for departure in &self.departures {
            tasks.spawn(Arc::clone(departure).run(checkpoints.clone()));
        }
    }

    /// Carries the last checkpoint, as the gateway stops.
    pub(super) async fn last(&self, note: &Arc<str>) {
        let mut carried = JoinSet::new();
        for departure in &self.departures {
            let (departure, note) = (Arc::clone(departure), Arc::clone(note));
            carried.spawn(async move { departure.last(&note).await });
        }
        while carried.join_next().await.is_some() {}
    }

    fn standings(&self) -> impl Iterator<Item = &Arc<Standing>> {
        let witnesses = self.witnessing.iter().flat_map(|witnessing| witnessing.standings());
        self.departures.iter().map(|departure| departure.standing()).chain(witnesses)
    }

    /// Sets the metrics to the present moment; this is the newest checkpoint.
    pub(super) fn measure(&self, newest: Option<&Arc<str>>) {
        let size = newest.and_then(|note| Checkpoint::read(note).ok()).map_or(0, |signed| signed.size);
        for standing in self.standings() {
            standing.wants(size);
            standing.measure();
        }
    }

    /// How far each receiver is, as one line of `postern exports`.
    pub(super) fn views(&self) -> Vec<ExportView> {
        let view = |standing: &Arc<Standing>| {
            let stood = standing.stood();
            ExportView {
                name: standing.name().to_owned(),
                to: "checkpoints".to_owned(),
                acknowledged: stood.taken,
                lag_records: stood.behind,
                lag_seconds: stood.lacking.as_secs(),
                healthy: stood.trouble.is_none() && stood.lacking < LATE,
                trouble: stood.trouble,
            }
        };
        self.standings().map(view).collect()
    }
}
