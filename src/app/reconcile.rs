//! Whether each use of an exception has its trace: told from the journal and from what was acknowledged.

use serde::Serialize;

use super::replay::{CURSOR, used};
use crate::{
    domain::{DecisionId, ExceptionId},
    evidence::{AlarmKind, Line, Record},
    store::{Inspection, OpenError},
    telemetry::server_span,
};

/// A use of an exception, and what is known of its trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TracedUse {
    /// Where its intent stands.
    pub seq: u64,
    /// The decision.
    pub decision: DecisionId,
    /// The exception.
    pub exception: ExceptionId,
    /// The trace, 32 hex digits.
    pub trace: Option<String>,
    /// The id of its SERVER span, 16 hex digits.
    pub span: String,
    /// What is known.
    pub state: TraceState,
}

/// What is known of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceState {
    /// The collector acknowledged it.
    Acknowledged,
    /// It is not acknowledged yet.
    Waiting,
    /// The collector refused it for good.
    Lost,
    /// No collector was configured when the call was made.
    Untraced,
    /// The collector acknowledged it, and the backend does not have it.
    NotInBackend,
}

/// How many uses from this record on were removed when their time was over, as far as the index still tells.
///
/// # Errors
/// The journal cannot be read.
pub fn removed_uses(inspection: &Inspection, since: u64) -> Result<usize, OpenError> {
    let mut removed = 0;
    inspection.export(since, |line| {
        if let Line::Row(row) = line {
            let under = row.index.as_ref().is_some_and(|index| index.exception.is_some());
            removed += usize::from(under && row.pruned().is_some_and(|gone| gone.kind == "intent"));
        }
        Ok(())
    })?;
    Ok(removed)
}

/// Every use from this record on, in order. An intent that never left is none.
///
/// # Errors
/// The journal cannot be read.
pub fn traced_uses(inspection: &Inspection, since: u64) -> Result<Vec<TracedUse>, OpenError> {
    let mut uses: Vec<TracedUse> = Vec::new();
    let noted = inspection.cursor(CURSOR)?.unwrap_or_default();
    inspection.export(since, |line| {
        let Line::Row(row) = line else { return Ok(()) };
        if let Some((seq, intent)) = used(&row) {
            let Some(exception) = intent.admitted_by().cloned() else { return Ok(()) };
            let state = match &intent.caller.trace {
                None => TraceState::Untraced,
                Some(_) if seq <= noted => TraceState::Acknowledged,
                Some(_) => TraceState::Waiting,
            };
            let (span, trace) = (server_span(&intent.decision), intent.caller.trace);
            uses.push(TracedUse { seq, decision: intent.decision, exception, trace, span, state });
        } else if row.payload.starts_with(br#"{"kind":"aborted""#) || row.payload.starts_with(br#"{"kind":"alarm""#) {
            match serde_json::from_slice(&row.payload) {
                Ok(Record::Aborted(aborted)) => uses.retain(|one| one.seq != aborted.record),
                Ok(Record::Alarm(alarm)) if alarm.about == AlarmKind::TraceLost => {
                    let lost = uses.iter_mut().rev().find(|one| Some(&one.decision) == alarm.decision.as_ref());
                    lost.into_iter().for_each(|one| one.state = TraceState::Lost);
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    })?;
    Ok(uses)
}
