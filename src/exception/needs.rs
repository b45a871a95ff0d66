//! Which live exceptions need which control, so that the loss of one suspends exactly those.

use std::sync::Arc;

use super::{Desk, Exception, Phase};
use crate::domain::{ExceptionId, Obligation, PersonId, SuspendReason, Timestamp};

/// What one exception needs of the controls, kept up to date with its history.
#[derive(Debug, Clone)]
pub struct Need {
    /// The exception.
    pub exception: ExceptionId,
    /// Its owner.
    pub owner: PersonId,
    /// The duties that its controls lay on the gateway.
    pub duties: Arc<[Obligation]>,
    /// Whether it is suspended because a control does not work.
    pub held: bool,
    /// From when on it can be used, and when it is over.
    window: (Timestamp, Timestamp),
}

impl Need {
    /// What the exception needs, if it can still be used and needs anything that can be lost: not what lies in the call
    /// itself, and not the journal, without which nothing can be noted and nothing is admitted.
    pub(super) fn of(exception: &Exception, now: Timestamp) -> Option<Self> {
        let live = match exception.phase(now) {
            Phase::Scheduled | Phase::Active | Phase::Suspended(_) => true,
            Phase::PendingApproval | Phase::Ended(_) => false,
        };
        let duties: Arc<[Obligation]> =
            exception.spec.obligations().into_iter().filter(|duty| live && can_be_lost(duty)).collect();
        let window = (exception.spec.window.not_before, exception.spec.window.not_after);
        (!duties.is_empty()).then(|| Self {
            exception: exception.id.clone(),
            owner: exception.spec.owner.human.clone(),
            duties,
            held: exception.is_held_for(SuspendReason::ControlUnhealthy),
            window,
        })
    }

    /// Whether its window holds this moment.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        (self.window.0..self.window.1).contains(&now)
    }
}

const fn can_be_lost(duty: &Obligation) -> bool {
    match duty {
        Obligation::AuditWriteAhead
        | Obligation::BudgetReserve
        | Obligation::ArgsConstrain
        | Obligation::DescriptorPin
        | Obligation::RateLimit { .. }
        | Obligation::Timebox { .. }
        | Obligation::EgressAllow { .. }
        | Obligation::PrincipalFresh { .. }
        | Obligation::ResponseLimit { .. } => false,
        Obligation::TraceFull
        | Obligation::ArgsCapture
        | Obligation::ApprovalHold { .. }
        | Obligation::DryRunFirst { .. }
        | Obligation::ResponseRedact { .. }
        | Obligation::ResponseCapture
        | Obligation::TaintMark { .. }
        | Obligation::NotifyOwner { .. }
        | Obligation::ShadowEvaluate
        | Obligation::WatchAttached { .. }
        | Obligation::ExportAcknowledged { .. } => true,
    }
}

impl Desk {
    /// What the live exceptions need of the controls, in the order of their ids.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        self.parts.ledger().needs.values().cloned().collect()
    }
}
