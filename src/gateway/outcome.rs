//! Steps 7 and 8: duties on the result, then the outcome, durable before the answer leaves.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    AdmissionError, Gateway,
    forward::{Came, Returned},
    visit::Visit,
};
use crate::{
    domain::{Digest, Reason, ToolRef},
    evidence::{How, Outcome, Record},
    monitoring::{Held, Release, Withheld},
    telemetry::Ending,
};

/// A call whose end is known and whose duties are met or not.
pub(super) struct Ended {
    pub(super) tool: ToolRef,
    pub(super) came: End,
    pub(super) took: std::time::Duration,
}

pub(super) enum End {
    Released { release: Release, is_error: bool },
    Withheld(Withheld, Digest, usize),
    Cut(Reason),
    RpcError { code: i32, message: String, data: Option<Box<RawValue>> },
    Failed { kind: &'static str, effect_possible: bool },
    Cancelled,
    TimedOut,
}

impl Gateway {
    pub(super) fn fulfil(&self, returned: Returned, held: Held, trace_queued: bool) -> Ended {
        let Returned { end, tool, exception, cut, took } = returned;
        let came = match (cut, Came::from(end)) {
            (Some(reason), _) => End::Cut(reason),
            (None, Came::Answered { result, is_error }) => self.release(held, result, is_error, trace_queued),
            (None, Came::RpcError { code, message, data }) => End::RpcError { code, message, data },
            (None, Came::Failed { kind, effect_possible }) => End::Failed { kind, effect_possible },
            (None, Came::Cancelled) => End::Cancelled,
            (None, Came::TimedOut) => End::TimedOut,
        };
        if let (End::Withheld(withheld, ..), Some(exception)) = (&came, &exception) {
            tracing::warn!(%exception, control = withheld.control, "a result was withheld");
        }
        Ended { tool: tool.reference.clone(), came, took }
    }

    fn release(&self, held: Held, result: Bytes, is_error: bool, trace_queued: bool) -> End {
        let (digest, size) = (Digest::of(&result), result.len());
        match self.parts.controls.fulfil(held, result, trace_queued) {
            Ok(release) => End::Released { release, is_error },
            Err(withheld) => {
                self.parts.telemetry.metrics().refused_by(withheld.control);
                End::Withheld(withheld, digest, size)
            }
        }
    }

    pub(super) async fn outcome(&self, visit: &Visit, ended: &Ended) -> Result<(), AdmissionError> {
        let (how, effect_possible, result, detail) = match &ended.came {
            End::Released { release, is_error } => {
                let how = if *is_error { How::ToolError } else { How::Answered };
                (how, true, Some((Digest::of(release.bytes()), release.bytes().len())), None)
            }
            End::Withheld(withheld, digest, size) => {
                (How::Withheld, true, Some((*digest, *size)), Some(withheld.control.to_owned()))
            }
            End::Cut(reason) => (How::Cancelled, true, None, Some(reason.as_str().to_owned())),
            End::RpcError { code, .. } => (How::Refused, true, None, Some(code.to_string())),
            End::Failed { kind, effect_possible } => (How::Failed, *effect_possible, None, Some((*kind).to_owned())),
            End::Cancelled => (How::Cancelled, true, None, Some("caller".to_owned())),
            End::TimedOut => (How::TimedOut, true, None, None),
        };
        let outcome = Outcome {
            decision: visit.id.clone(),
            at: self.parts.clock.now(),
            how,
            effect_possible,
            result: result.map(|(digest, _)| digest),
            result_bytes: result.map_or(0, |(_, size)| u64::try_from(size).unwrap_or(u64::MAX)),
            duration_us: u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX),
            detail,
        };
        self.parts.admission.record(Record::Outcome(outcome)).await.map(|_| ())
    }
}

impl Ended {
    /// How the whole call ended, for its span and the metrics.
    pub(super) fn ending(&self) -> Ending {
        match &self.came {
            End::Released { release, is_error } => {
                Ending::Answered { bytes: release.bytes().len(), is_error: *is_error }
            }
            End::Withheld(..) => Ending::Withheld,
            End::Cut(_) | End::Cancelled => Ending::Cancelled,
            End::RpcError { code, .. } => Ending::RpcError { code: *code },
            End::Failed { kind, .. } => Ending::Failed { kind },
            End::TimedOut => Ending::TimedOut,
        }
    }
}
