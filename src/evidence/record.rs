//! The closed list of records, and what is indexed of each.

use serde::{Deserialize, Serialize};

use super::{
    Aborted, Alarm, Caller, CatalogChange, Delivery, Denial, Freeze, HoldChange, Inquiry, Intent, JournalError,
    KeyChange, Lifecycle, Listing, Outcome, PilotChange, PolicyChange, Read, Recovered, Retention, Shred,
    SigningChange, Start, Stop, Subscription, Watching,
};
use crate::domain::{DecisionId, ExceptionId, Timestamp};

/// Bytes of one record as JSON (C2SP tlog-tiles: an entry has a 16-bit length).
pub const ENTRY: usize = 65_535;

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A call is about to leave.
    Intent(Intent),
    /// A call ended.
    Outcome(Outcome),
    /// A call was refused.
    Denial(Denial),
    /// A request that calls no tool is about to leave.
    Inquiry(Inquiry),
    /// A subscription began or ended.
    Subscription(Subscription),
    /// A list was given out.
    Listing(Listing),
    /// Something happened to an exception.
    Lifecycle(Lifecycle),
    /// Something happened to a pilot.
    Pilot(PilotChange),
    /// Something happened to a tool's definition.
    Catalog(CatalogChange),
    /// The policies changed.
    Policy(PolicyChange),
    /// A key was made or revoked.
    Key(KeyChange),
    /// Another key signs the log from here on.
    Signing(SigningChange),
    /// A call waits for a person's yes, or that was answered, spent or over.
    Hold(HoldChange),
    /// The gateway was frozen or released.
    Freeze(Freeze),
    /// A person began or ceased to watch an exception.
    Watch(Watching),
    /// A person read evidence.
    Read(Read),
    /// The gateway began.
    Start(Start),
    /// The gateway ended in order.
    Stop(Stop),
    /// What was found at the start.
    Recovered(Recovered),
    /// A person must look.
    Alarm(Alarm),
    /// A record came too late.
    Aborted(Aborted),
    /// An event could not be delivered, or was after all.
    Delivery(Delivery),
    /// Records of traffic were removed when their time was over.
    Retention(Retention),
    /// Sealing keys are destroyed.
    Shred(Shred),
}

/// What is indexed of a record; everything in it can be computed from the payload again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The serde tag.
    pub kind: &'static str,
    /// When.
    pub at: Timestamp,
    /// The decision it belongs to.
    pub decision: Option<DecisionId>,
    /// The exception it counts for or tells of.
    pub exception: Option<ExceptionId>,
}

impl Record {
    /// The record as it is chained: compact JSON, members in the order of declaration.
    ///
    /// # Errors
    /// It is larger than [`ENTRY`].
    pub fn encode(&self) -> Result<Vec<u8>, JournalError> {
        let mut payload = Vec::with_capacity(1_024);
        serde_json::to_writer(&mut payload, self).map_err(|_| JournalError::Unreadable)?;
        if payload.len() > ENTRY {
            return Err(JournalError::TooLarge { kind: self.summary().kind, bytes: payload.len() });
        }
        Ok(payload)
    }

    /// Who asked, for records of what agents ask.
    #[must_use]
    pub const fn caller(&self) -> Option<&Caller> {
        if let Self::Intent(Intent { caller, .. })
        | Self::Denial(Denial { caller, .. })
        | Self::Inquiry(Inquiry { caller, .. })
        | Self::Subscription(Subscription { caller, .. })
        | Self::Listing(Listing { caller, .. }) = self
        {
            return Some(caller);
        }
        None
    }

    /// What is indexed.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let plain = |kind, at| Summary { kind, at, decision: None, exception: None };
        match self {
            Self::Intent(r) => Summary {
                kind: "intent",
                at: r.at,
                decision: Some(r.decision.clone()),
                exception: r.charged().cloned(),
            },
            Self::Outcome(r) => Summary { decision: Some(r.decision.clone()), ..plain("outcome", r.at) },
            Self::Denial(r) => Summary {
                kind: "denial",
                at: r.at,
                decision: Some(r.decision.clone()),
                exception: r.verdict.exception.clone(),
            },
            Self::Inquiry(r) => Summary { decision: Some(r.decision.clone()), ..plain("inquiry", r.at) },
            Self::Subscription(r) => Summary { decision: Some(r.decision.clone()), ..plain("subscription", r.at) },
            Self::Listing(r) => plain("listing", r.at),
            Self::Lifecycle(r) => Summary { exception: Some(r.exception.clone()), ..plain("lifecycle", r.at) },
            Self::Pilot(r) => plain("pilot", r.at),
            Self::Catalog(r) => plain("catalog", r.at),
            Self::Policy(r) => plain("policy", r.at),
            Self::Key(r) => plain("key", r.at),
            Self::Signing(r) => plain("signing", r.at),
            Self::Hold(r) => {
                Summary { kind: "hold", at: r.at, decision: r.decision.clone(), exception: Some(r.exception.clone()) }
            }
            Self::Freeze(r) => plain("freeze", r.at),
            Self::Watch(r) => Summary { exception: Some(r.exception.clone()), ..plain("watch", r.at) },
            Self::Read(r) => Summary { exception: r.exception.clone(), ..plain("read", r.at) },
            Self::Start(r) => plain("start", r.at),
            Self::Stop(r) => plain("stop", r.at),
            Self::Recovered(r) => plain("recovered", r.at),
            Self::Alarm(r) => {
                Summary { kind: "alarm", at: r.at, decision: r.decision.clone(), exception: r.exception.clone() }
            }
            Self::Delivery(r) => plain("delivery", r.at),
            Self::Retention(r) => plain("retention", r.at),
            Self::Shred(r) => Summary { exception: r.exception.clone(), ..plain("shred", r.at) },
            Self::Aborted(r) => {
                Summary { kind: "aborted", at: r.at, decision: Some(r.decision.clone()), exception: r.refunded.clone() }
            }
        }
    }
}
