//! The parts that the road leads through.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use tokio::sync::{Semaphore, mpsc, watch};

use super::{Admission, Changes, InFlight, Rates, Seals, World, round::Spent};
use crate::{
    domain::{Clock, ExceptionId, ServerName, limits},
    evidence::{Keep, Sealer},
    exception::Index,
    identity::Authenticator,
    monitoring::Controls,
    telemetry::Telemetry,
};

/// How the refusal of a visible tool is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denials {
    /// As a tool result with `isError`, so that the model can read why.
    ToolResult,
    /// As a JSON-RPC error.
    ProtocolError,
}

/// Everything that a call passes.
pub struct Parts {
    /// Step 1.
    pub authenticator: Arc<Authenticator>,
    /// Step 1.
    pub rates: Rates,
    /// Steps 2 and 3: what is in force.
    pub world: Arc<ArcSwap<World>>,
    /// Step 3.
    pub exceptions: Arc<Index>,
    /// Steps 4 and 7.
    pub controls: Arc<Controls>,
    /// Steps 5 and 8.
    pub admission: Arc<dyn Admission>,
    /// Seals arguments for the record.
    pub sealer: Arc<Sealer>,
    /// What is kept of arguments.
    pub keep: Keep,
    /// Step 6.
    pub upstreams: Arc<crate::gateway::forward::Upstreams>,
    /// Spans and metrics.
    pub telemetry: Arc<Telemetry>,
    /// Calls that are on the road.
    pub in_flight: Arc<InFlight>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Takes exceptions whose budget turned out to be spent.
    pub exhausted: mpsc::Sender<ExceptionId>,
    /// Bumped when what somebody sees may have changed.
    pub changes: watch::Sender<Changes>,
    /// Seals what callers carry for us.
    pub seals: Seals,
    /// The servers of the configuration.
    pub servers: Vec<ServerName>,
    /// Longest time of a call.
    pub call_timeout: Duration,
    /// How refusals are answered.
    pub denials: Denials,
    /// Where exceptions are submitted, for the hint in a refusal.
    pub admin_url: String,
    /// Where the resource metadata is, for the challenge (RFC 9728).
    pub resource_metadata: String,
}

/// The enforcement point.
pub struct Gateway {
    pub(super) parts: Parts,
    /// States of rounds that were used.
    pub(super) spent: Spent,
    /// This process; states of another do not open.
    pub(super) boot: String,
    /// Rounds that may wait for a person's yes at once.
    pub(super) waits: Semaphore,
    /// Calls that may be on the road at once.
    pub(super) room: Semaphore,
}

impl Gateway {
    /// The road through these parts.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub fn new(parts: Parts) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut boot = [0; 16];
        rand::fill(&mut boot)?;
        let boot = format!("{:032x}", u128::from_be_bytes(boot));
        Ok(Self {
            parts,
            spent: Spent::default(),
            boot,
            waits: Semaphore::new(limits::HOLD_WAITS),
            room: Semaphore::new(limits::IN_FLIGHT),
        })
    }

    pub(super) const fn seals(&self) -> &Seals {
        &self.parts.seals
    }

    /// Returns when no call is on the road: each has its outcome on record. Calls that come later wait for nothing.
    pub async fn idle(&self) {
        let _all = self.room.acquire_many(u32::try_from(limits::IN_FLIGHT).unwrap_or(u32::MAX)).await;
    }
}
