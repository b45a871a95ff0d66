//! Keeps the world: catalog and policies, changed together, with the last good policies when new ones are faulty.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Mutex, watch};

use super::{convert, declared::declared};
use crate::{
    catalog::{Catalog, Features, PinRow, PinStore as _, Pins, Shelf, Tool, Ware, Wares},
    config::read_policies,
    domain::{Clock, Digest, Document, Findings, Registry, ServerName},
    evidence::{JournalError, PolicyChange, PolicyEvent},
    gateway::{Changes, World},
    monitoring::Controls,
    policy::{PolicySet, Sources, compile},
    store::Store,
    telemetry::Telemetry,
    upstream::{Offered, Upstreams},
};

/// What `explain` builds a world from again.
#[derive(Serialize, Deserialize)]
pub(super) struct Bundle {
    pub(super) sources: Sources,
    pub(super) tools: BTreeMap<ServerName, Vec<Box<RawValue>>>,
}

/// Why the world could not be changed; it stays as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error("{0}")]
    Faulty(Findings),
    #[error("the store cannot be used now: {0}")]
    Store(String),
}

impl From<JournalError> for KeepError {
    fn from(error: JournalError) -> Self {
        Self::Store(error.to_string())
    }
}

/// The one that changes the world.
pub(super) struct Keeper {
    pub(super) world: Arc<ArcSwap<World>>,
    pub(super) registry: Arc<ArcSwap<Registry>>,
    pub(super) store: Arc<Store>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) controls: Arc<Controls>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) changes: watch::Sender<Changes>,
    pub(super) policies: PathBuf,
    pub(super) first_use: BTreeSet<ServerName>,
    /// The sources in force, and those that were refused last, so that a fault is reported once.
    pub(super) sources: Mutex<Kept>,
}

#[derive(Default)]
pub(super) struct Kept {
    pub(super) in_force: Sources,
    pub(super) refused: Option<Digest>,
    /// Whether the folder was sound at least once.
    pub(super) sound: bool,
}

impl Keeper {
    /// Reads the policies folder; if it differs from what is in force, compiles and publishes it.
    pub(super) async fn reload(&self, actor: &str) -> Result<bool, KeepError> {
        let folder = self.policies.clone();
        let read = tokio::task::spawn_blocking(move || read_policies(&folder))
            .await
            .map_err(|error| KeepError::Store(error.to_string()))?;
        let sources = convert::sources(&read.map_err(KeepError::Faulty)?);
        let mut kept = self.sources.lock().await;
        if sources == kept.in_force {
            kept.sound = true;
            return Ok(false);
        }
        let digest = sources.digest();
        match self.publish(&sources, actor).await {
            Ok(_) => {
                *kept = Kept { in_force: sources, refused: None, sound: true };
                Ok(true)
            }
            Err(KeepError::Faulty(findings)) => {
                if kept.refused != Some(digest) {
                    kept.refused = Some(digest);
                    tracing::error!("the policies have faults; those in force stay in force:\n{findings}");
                    let detail: String = findings.to_string().chars().take(8_000).collect();
                    self.record(PolicyEvent::Refused, digest, self.world.load().epoch, (actor, detail)).await?;
                }
                Err(KeepError::Faulty(findings))
            }
            Err(error) => Err(error),
        }
    }

    /// The records under `exceptions/` that can be read; those with placeholders or faults were never submitted.
    pub(super) async fn exception_files(&self) -> Vec<Document> {
        let folder = self.policies.clone();
        let Ok(Ok(files)) = tokio::task::spawn_blocking(move || read_policies(&folder)).await else {
            return Vec::new();
        };
        files.exceptions.iter().filter_map(|file| Document::parse(&file.path, &file.text).ok()).collect()
    }

    /// The servers list something else, or somebody approved tools.
    pub(super) async fn refresh(&self, actor: &str) -> Result<(), KeepError> {
        let kept = self.sources.lock().await;
        match self.publish(&kept.in_force, actor).await {
            Err(KeepError::Faulty(findings)) => {
                tracing::error!("the policies do not fit the tools any more; what fits stays in force:\n{findings}");
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Builds the world from these sources and the present tools, and publishes it. The tools change even if the
    /// policies do not fit them: a tool that the policies do not know is denied.
    async fn publish(&self, sources: &Sources, actor: &str) -> Result<(), KeepError> {
        let before = self.world.load_full();
        let (definitions, rows) = self.definitions().await?;
        let epoch = before.epoch + 1;
        let mut catalog = before.catalog.rebuild(epoch, &definitions, &Pins::from(rows.clone()));
        if self.approve_first(&catalog, &rows).await? {
            let rows = self.store.load().await.map_err(|error| KeepError::Store(error.to_string()))?;
            catalog = before.catalog.rebuild(epoch, &definitions, &Pins::from(rows));
        }
        let tools: Vec<Arc<Tool>> = catalog.entries().map(|entry| Arc::clone(&entry.tool)).collect();
        let compiled = compile(sources, &tools)
            .and_then(|policies| declared(sources, policies.registry()).map(|declared| (policies, declared)));
        let same_tools = catalog.digest() == before.catalog.digest();
        let (policies, fault) = match compiled {
            Ok((policies, declared)) if same_tools && policies.digest() == before.policies.digest() => {
                self.controls.declare(declared);
                self.restock(&before);
                return Ok(());
            }
            Ok((policies, declared)) => {
                self.controls.declare(declared);
                (Arc::new(policies), None)
            }
            Err(findings) if same_tools => return Err(KeepError::Faulty(findings)),
            Err(findings) => (Arc::clone(&before.policies), Some(findings)),
        };
        let bundle = if fault.is_none() { self.bundle(sources, definitions).await? } else { before.bundle };
        self.record(PolicyEvent::Loaded, policies.digest(), epoch, (actor, bundle.to_string())).await?;
        self.announce(&catalog);
        self.registry.store(Arc::new(policies.registry().clone()));
        let (shelf, features) = self.stock();
        self.world.store(Arc::new(World { epoch, catalog: Arc::new(catalog), policies, bundle, shelf, features }));
        self.changes.send_modify(Changes::all);
        tracing::info!(epoch, tools = tools.len(), actor, "catalog and policies are in force");
        fault.map_or(Ok(()), |findings| Err(KeepError::Faulty(findings)))
    }

    /// What can be read now, and what each server offers.
    fn stock(&self) -> (Arc<Shelf>, Arc<BTreeMap<ServerName, Features>>) {
        let offered = self.upstreams.offered();
        let wares = offered.iter().map(|(server, offered)| {
            let Offered { prompts, resources, templates, .. } = &**offered;
            (server, Wares { prompts, resources, templates })
        });
        let shelf = Shelf::build(wares);
        let features = offered.iter().map(|(server, offered)| (server.clone(), convert::features(offered))).collect();
        (Arc::new(shelf), Arc::new(features))
    }

    /// Changes what can be read, if it changed; catalog, policies and epoch stay.
    fn restock(&self, before: &World) {
        let (shelf, features) = self.stock();
        let prompts = !before.shelf.same(&shelf, Ware::Prompt);
        let resources = !before.shelf.same(&shelf, Ware::Resource) || !before.shelf.same(&shelf, Ware::Template);
        if !prompts && !resources && features == before.features {
            return;
        }
        self.world.store(Arc::new(World { shelf, features, ..before.clone() }));
        self.changes.send_modify(|changes| {
            changes.prompts = changes.prompts.wrapping_add(u64::from(prompts));
            changes.resources = changes.resources.wrapping_add(u64::from(resources));
        });
    }

    /// What the servers list now; for a server that has not listed anything yet, what was approved of it.
    async fn definitions(&self) -> Result<(BTreeMap<ServerName, Vec<Box<RawValue>>>, Vec<PinRow>), KeepError> {
        let rows = self.store.load().await.map_err(|error| KeepError::Store(error.to_string()))?;
        let mut definitions = self.upstreams.snapshot();
        let live: BTreeSet<ServerName> = definitions.keys().cloned().collect();
        let known = self.upstreams.health();
        for row in rows.iter().filter(|row| !live.contains(&row.server) && known.contains_key(&row.server)) {
            if let Ok(definition) = RawValue::from_string(row.definition.clone()) {
                definitions.entry(row.server.clone()).or_default().push(definition);
            }
        }
        Ok((definitions, rows))
    }

    /// Approves what servers with `trust: first_use` list, as long as nothing of them was ever approved.
    async fn approve_first(&self, catalog: &Catalog, rows: &[PinRow]) -> Result<bool, KeepError> {
        let known: BTreeSet<&ServerName> = rows.iter().map(|row| &row.server).collect();
        let fresh = |server: &ServerName| self.first_use.contains(server) && !known.contains(server);
        let mut any = false;
        for entry in catalog.entries().filter(|entry| fresh(&entry.tool.reference.server)) {
            let row = entry.approval("first use", self.clock.now());
            self.store.approve(row).await.map_err(|error| KeepError::Store(error.to_string()))?;
            any = true;
        }
        Ok(any)
    }

    async fn bundle(
        &self,
        sources: &Sources,
        tools: BTreeMap<ServerName, Vec<Box<RawValue>>>,
    ) -> Result<Digest, KeepError> {
        let bundle = Bundle { sources: sources.clone(), tools };
        let content = serde_json::to_vec(&bundle).map_err(|error| KeepError::Store(error.to_string()))?;
        Ok(self.store.put_bundle(content).await?)
    }

    async fn record(
        &self,
        event: PolicyEvent,
        digest: Digest,
        epoch: u64,
        (actor, detail): (&str, String),
    ) -> Result<(), KeepError> {
        let change = PolicyChange { at: self.clock.now(), event, digest, epoch, actor: actor.to_owned(), detail };
        self.store.policy(change).await?;
        Ok(())
    }

    fn announce(&self, catalog: &Catalog) {
        let tools: Vec<_> = catalog.tools().map(|tool| tool.reference.clone()).collect();
        self.telemetry.metrics().register_tools(&tools);
    }
}

/// A world in which there is nothing yet: everything is denied.
///
/// # Errors
/// Never in practice; an empty set has no faults.
pub(super) fn empty(epoch: u64) -> Result<World, Findings> {
    let policies: PolicySet = compile(&Sources::default(), &[])?;
    let catalog = Catalog::build(epoch, &BTreeMap::new(), &Pins::default());
    Ok(World {
        epoch,
        catalog: Arc::new(catalog),
        policies: Arc::new(policies),
        bundle: Digest::of(b""),
        shelf: Arc::default(),
        features: Arc::default(),
    })
}
