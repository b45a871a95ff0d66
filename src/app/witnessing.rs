//! Checkpoints of the tiles go to the witnesses before they are published.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;

use super::copies::Copies;
use crate::{
    config::{CheckpointSettings, WitnessMember, WitnessSettings},
    delivery::{AskWitness, Cosigned, Growth, Parcel, Standing, Witness, WitnessReply, Witnesses},
    domain::Clock,
    evidence::Journal,
    store::TileFolder,
    telemetry::Metrics,
    upstream::HttpPost,
};

/// How long a witness may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer: a line for each key of the witness.
const ANSWER: usize = 16 << 10;

/// The witnesses, and what they are asked with.
pub(super) struct Witnessing {
    witnesses: Witnesses,
    growth: Arc<dyn Growth>,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
    copies: Option<Arc<Copies>>,
    /// Between two checkpoints that they are asked about.
    pub(super) every: Duration,
}

/// What witnessing stands on.
pub(super) struct Base<'a> {
    pub(super) tiles: &'a Path,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) copies: &'a Option<Arc<Copies>>,
    pub(super) metrics: &'a Arc<Metrics>,
}

impl Witnessing {
    pub(super) fn new(wanted: &WitnessSettings, pace: &CheckpointSettings, base: &Base<'_>) -> anyhow::Result<Self> {
        let standing = |name: String| Arc::new(Standing::new(name, Arc::clone(base.metrics)));
        let mut members = Vec::new();
        for (name, member) in &wanted.members {
            let way = way(member).with_context(|| format!("the witness `{name}` cannot be used"))?;
            let witness = Witness::new(member.key.clone(), Box::new(way), standing(format!("witness:{name}")));
            members.push(Arc::new(witness));
        }
        Ok(Self {
            witnesses: Witnesses::new(members, wanted.quorum, standing("witnesses".to_owned())),
            growth: Arc::new(Tiles(base.tiles.to_owned())),
            clock: Arc::clone(base.clock),
            journal: Arc::clone(&base.journal),
            copies: base.copies.clone(),
            every: pace.every,
        })
    }

    pub(super) fn standings(&self) -> impl Iterator<Item = &Arc<Standing>> {
        self.witnesses.standings()
    }

    /// The checkpoint with the cosignatures that came; its tiles are there. What a quorum cosigned is copied too.
    pub(super) async fn cosign(&self, note: &Arc<str>) -> Result<Cosigned, String> {
        let parcel = Parcel::new(note).map_err(|error| error.to_string())?;
        let cosigned = self.witnesses.cosign(&parcel, &self.growth, &self.clock, &self.journal).await;
        if let Some(copies) = self.copies.as_ref().filter(|_| cosigned.quorum) {
            copies.witnessed(cosigned.note.as_str().into()).await;
        }
        Ok(cosigned)
    }
}

fn way(member: &WitnessMember) -> anyhow::Result<Way> {
    Ok(Way(HttpPost::new(&format!("{}/add-checkpoint", member.url), member.allow_private, PATIENCE)?))
}

struct Way(HttpPost);

#[async_trait]
impl AskWitness for Way {
    async fn add_checkpoint(&self, body: String) -> Result<WitnessReply, String> {
        let (status, body) = self.0.ask(body.into(), ANSWER).await.map_err(|error| error.to_string())?;
        let body = String::from_utf8(body).map_err(|_| "its answer is no text".to_owned())?;
        Ok(WitnessReply { status: status.as_u16(), body })
    }
}

/// Proofs from the tiles.
struct Tiles(PathBuf);

#[async_trait]
impl Growth for Tiles {
    async fn between(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, String> {
        let folder = TileFolder::new(&self.0);
        let done = tokio::task::spawn_blocking(move || folder.growth(from, to)).await;
        let proof = done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        proof.ok_or_else(|| format!("there is no proof from {from} to {to} records"))
    }
}
