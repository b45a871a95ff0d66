//! Every part of the running gateway, by name.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    console::Sessions,
    domain::Clock,
    exception::Desk,
    gateway::{Gateway, InFlight},
    identity::Authenticator,
    monitoring::{Attendance, Controls},
    policy::proof::Prover,
    store::Store,
    telemetry::Telemetry,
    upstream::Upstreams,
};

use super::{copies::Copies, events::Streams, keeper::Keeper};

/// The running gateway.
pub(super) struct House {
    pub(super) store: Arc<Store>,
    pub(super) desk: Arc<Desk>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) controls: Arc<Controls>,
    /// Who watches which exception.
    pub(super) attendance: Arc<Attendance>,
    /// Who read evidence in this minute.
    pub(super) readers: crate::evidence::Readers,
    /// Open streams of events.
    pub(super) streams: Streams,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) clock: Arc<dyn Clock>,
    /// One analysis at a time.
    pub(super) studies: Semaphore,
    /// Days that the analysis of a submission looks back.
    pub(super) analysis_days: u32,
    /// Proves what can be proven of a submission, if a solver is there.
    pub(super) prover: Prover,
    /// Whether a submission is refused unless that is proven.
    pub(super) require_proofs: bool,
    /// Where the tiles of the journal are written.
    pub(super) tiles: std::path::PathBuf,
    /// One writes there at a time.
    pub(super) laying: super::tiles::Laying,
    /// Where checkpoints are copied to; nothing, while the store is behind one of them.
    pub(super) copies: Option<Arc<Copies>>,
    /// Where checkpoints go, and who witnesses them.
    pub(super) offsite: super::offsite::Offsite,
    /// What reports have read of the journal so far.
    pub(super) tally: tokio::sync::Mutex<crate::report::Tally>,
    /// What the solver has said of whether exceptions are needed.
    pub(super) needs: tokio::sync::Mutex<super::need::Needs>,
    /// How far the shadow of calls has followed the journal.
    pub(super) shadowed: tokio::sync::watch::Sender<u64>,
    /// Where records go, and how far each destination got.
    pub(super) exports: Vec<super::exports::Exporting>,
    /// Webhooks, and how far each got.
    pub(super) webhooks: Vec<crate::delivery::Running>,
    /// How long records of traffic are kept, and what waits for them.
    pub(super) retention: super::retention::Retaining,
    /// Where people reach the administration listener.
    pub(super) admin_url: String,
}
