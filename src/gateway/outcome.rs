//! Steps 7 and 8: duties on the result, then the outcome, durable before the answer leaves.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{
    AdmissionError, Cut, Gateway,
    forward::{Came, Returned},
    visit::Visit,
};
use crate::{
    domain::{Digest, ExceptionId, Reach, Reason, ToolRef},
    evidence::{Alarm, AlarmKind, Fingerprint, How, Outcome, Record, SEALED_PLAINTEXT, Sealed, Under},
    mcp::{Extra, InputRequired, server::RpcError},
    monitoring::{Held, Release, Withheld},
    telemetry::Ending,
};

/// The duty whose failure is unusual in itself.
const RESPONSE_LIMIT: &str = "response.limit";
/// The duty without which an agent does not go on.
const TAINT_MARK: &str = "taint.mark";

/// A call whose end is known and whose duties are met or not.
pub(super) struct Ended {
    pub(super) tool: ToolRef,
    pub(super) came: End,
    pub(super) took: std::time::Duration,
    /// The digest of what was sent.
    pub(super) digest: Digest,
    /// The exception that admitted it, and its revision.
    pub(super) exception: Option<(ExceptionId, u32)>,
    /// What left, for the record.
    pub(super) sealed: Option<Sealed>,
}

/// What a JSON-RPC error says beside its code.
#[derive(Serialize, Deserialize)]
pub(super) struct Words {
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) more: Extra,
}

impl Words {
    /// The error that a server meant, under a code that it may use.
    pub(super) fn error(self, code: i32) -> RpcError {
        RpcError { code, message: self.message, data: self.data, more: self.more, http: None }
    }
}

pub(super) enum End {
    Released {
        release: Release,
        is_error: bool,
    },
    /// The server asks instead; what it asks is a result too.
    InputRequired(Release),
    /// The server made a task of it.
    Task(Release),
    Withheld(Withheld, Digest, usize),
    Cut(Reason),
    /// The server's own error; its words are a result too, and leave only as a release.
    RpcError {
        code: i32,
        release: Release,
    },
    Failed {
        kind: &'static str,
        effect_possible: bool,
    },
    Cancelled,
    TimedOut,
}

impl End {
    /// What leaves, if something of the tool server does.
    const fn release(&self) -> Option<&Release> {
        match self {
            Self::Released { release, .. }
            | Self::InputRequired(release)
            | Self::Task(release)
            | Self::RpcError { release, .. } => Some(release),
            Self::Withheld(..) | Self::Cut(_) | Self::Failed { .. } | Self::Cancelled | Self::TimedOut => None,
        }
    }
}

impl Gateway {
    pub(super) fn fulfil(&self, visit: &Visit, returned: Returned, held: Held, trace_queued: bool) -> Ended {
        let Returned { end, tool, digest, exception, pilot, cut, took, session } = returned;
        // A result that comes after a freeze of what it touches is not given out, even if nothing cut the call.
        let request = Reach {
            agent: &visit.subject.agent,
            server: Some(&tool.reference.server),
            exception: exception.as_ref().map(|(id, _)| id),
            pilot: pilot.as_ref(),
        };
        let cut = cut.or_else(|| self.frozen(&request));
        let came = match (cut, Came::from(end)) {
            (Some(reason), _) => End::Cut(reason),
            (None, Came::Answered { result, is_error, .. }) => match self.release(held, result, trace_queued) {
                Ok(release) => End::Released { release, is_error },
                Err(withheld) => withheld,
            },
            (None, Came::InputRequired(required)) => {
                match visit.asked().by_round(&tool.reference.server, &required.requests) {
                    Ok(()) => self
                        .release(held, required.json(), trace_queued)
                        .map_or_else(|withheld| withheld, End::InputRequired),
                    Err(why) => question_refused(&tool.reference, &why),
                }
            }
            (None, Came::Task(result)) => match visit.asked().by_task(&tool.reference.server, &result) {
                Ok(()) => self.release(held, result, trace_queued).map_or_else(|withheld| withheld, End::Task),
                Err(why) => question_refused(&tool.reference, &why),
            },
            (None, Came::RpcError { code, words }) => {
                let words = serde_json::to_vec(&words).unwrap_or_default();
                match self.release(held, words.into(), trace_queued) {
                    Ok(release) => End::RpcError { code, release },
                    Err(withheld) => withheld,
                }
            }
            (None, Came::Failed { kind, effect_possible }) => End::Failed { kind, effect_possible },
            (None, Came::Cancelled) => End::Cancelled,
            (None, Came::TimedOut) => End::TimedOut,
        };
        if let (End::Withheld(withheld, ..), Some((exception, _))) = (&came, &exception) {
            tracing::warn!(%exception, control = withheld.control, "a result was withheld");
            if withheld.control == TAINT_MARK {
                self.end_session(visit, session.as_ref());
            }
        }
        let (came, sealed) = self.kept(visit, came, exception.as_ref().map(|(id, _)| id));
        Ended { tool: tool.reference.clone(), came, took, digest, exception, sealed }
    }

    /// An agent that could not be marked goes on with nothing that it has begun: its session ends, and so does all else
    /// of it that is under way.
    fn end_session(&self, visit: &Visit, session: Option<&CancellationToken>) {
        let agent = visit.subject.agent.clone();
        tracing::error!(%agent, "an agent could not be marked; its session and its calls end");
        if let Some(session) = session {
            session.cancel();
        }
        self.parts.in_flight.cut(&Cut::Agent(agent), Reason::ControlUnmet);
    }

    /// What leaves is kept, sealed, where a duty says so; what cannot be kept does not leave.
    fn kept(&self, visit: &Visit, came: End, exception: Option<&ExceptionId>) -> (End, Option<Sealed>) {
        let Some(release) = came.release().filter(|release| release.captured()) else { return (came, None) };
        let key = self.parts.sealer.key(Under { at: visit.now, exception });
        let detail = match key.and_then(|key| key.seal(&visit.id, release.bytes())) {
            Ok(Some(sealed)) => return (came, Some(sealed)),
            Ok(None) => {
                format!("the result has {} bytes, and a record keeps {SEALED_PLAINTEXT}", release.bytes().len())
            }
            Err(error) => error.to_string(),
        };
        self.parts.telemetry.metrics().refused_by("response.capture");
        let (digest, size) = (Digest::of(release.bytes()), release.bytes().len());
        let marked = release.marked().to_vec();
        (End::Withheld(Withheld { control: "response.capture", detail, marked }, digest, size), None)
    }

    fn release(&self, held: Held, result: Bytes, trace_queued: bool) -> Result<Release, End> {
        let (digest, size) = (Digest::of(&result), result.len());
        self.parts.controls.fulfil(held, result, trace_queued).map_err(|withheld| {
            self.parts.telemetry.metrics().refused_by(withheld.control);
            End::Withheld(withheld, digest, size)
        })
    }

    /// The digest as a record has it.
    pub(super) fn print(
        &self,
        visit: &Visit,
        exception: Option<&ExceptionId>,
        digest: &Digest,
    ) -> Result<Fingerprint, AdmissionError> {
        let key = self.parts.sealer.key(Under { at: visit.now, exception });
        key.map(|key| key.print(digest)).map_err(|error| AdmissionError::Unavailable(error.to_string()))
    }

    pub(super) async fn outcome(&self, visit: &Visit, ended: &Ended) -> Result<(), AdmissionError> {
        let (how, effect_possible, result, detail) = match &ended.came {
            End::Released { release, is_error } => {
                let how = if *is_error { How::ToolError } else { How::Answered };
                (how, true, Some((Digest::of(release.bytes()), release.bytes().len())), None)
            }
            End::InputRequired(release) => {
                let methods = InputRequired::read(std::str::from_utf8(release.bytes()).unwrap_or_default());
                let methods = methods.map(|required| asked(&required)).unwrap_or_default();
                (How::InputRequired, true, Some((Digest::of(release.bytes()), release.bytes().len())), Some(methods))
            }
            End::Task(release) => (How::Task, true, Some((Digest::of(release.bytes()), release.bytes().len())), None),
            End::Withheld(withheld, digest, size) => {
                (How::Withheld, true, Some((*digest, *size)), Some(withheld.control.to_owned()))
            }
            End::Cut(reason) => (How::Cancelled, true, None, Some(reason.as_str().to_owned())),
            End::RpcError { code, .. } => (How::Refused, true, None, Some(code.to_string())),
            End::Failed { kind, effect_possible } => (How::Failed, *effect_possible, None, Some((*kind).to_owned())),
            End::Cancelled => (How::Cancelled, true, None, Some("caller".to_owned())),
            End::TimedOut => (How::TimedOut, true, None, None),
        };
        let release = ended.came.release();
        let marked = match (&ended.came, release) {
            (End::Withheld(withheld, ..), _) => withheld.marked.clone(),
            (_, release) => release.map(|release| release.marked().to_vec()).unwrap_or_default(),
        };
        let exception = ended.exception.as_ref().map(|(id, _)| id);
        let print = result.map(|(digest, _)| self.print(visit, exception, &digest)).transpose();
        // Nothing leaves that has no fingerprint; that it did not is on record all the same.
        let unprinted = print.as_ref().is_err();
        let outcome = Outcome {
            decision: visit.id.clone(),
            at: self.parts.clock.now(),
            how: if unprinted { How::Withheld } else { how },
            effect_possible,
            result: print.as_ref().ok().cloned().flatten(),
            result_bytes: result.map_or(0, |(_, size)| u64::try_from(size).unwrap_or(u64::MAX)),
            duration_us: u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX),
            detail: if unprinted { Some("fingerprint".to_owned()) } else { detail },
            sealed: ended.sealed.clone().filter(|_| !unprinted),
            redacted: release.map(|release| release.redacted().clone()).unwrap_or_default(),
            marked,
        };
        self.parts.admission.record(Record::Outcome(outcome)).await?;
        print?;
        if let (End::Withheld(withheld, ..), Some((exception, _))) = (&ended.came, &ended.exception)
            && withheld.control == RESPONSE_LIMIT
        {
            let alarm = Alarm {
                at: self.parts.clock.now(),
                about: AlarmKind::Anomaly,
                exception: Some(exception.clone()),
                decision: Some(visit.id.clone()),
                detail: format!("large_result: the result of {} was withheld: {}", ended.tool, withheld.detail),
            };
            self.parts.admission.record(Record::Alarm(alarm)).await?;
        }
        if let End::Released { release, is_error: false } = &ended.came {
            self.parts.controls.remember(release.previews(), visit.now);
        }
        Ok(())
    }
}

fn question_refused(tool: &ToolRef, why: &str) -> End {
    tracing::warn!(%tool, why, "a question of a tool server is refused");
    End::Failed { kind: "question_refused", effect_possible: true }
}

/// The methods that a server asks for, for the record.
pub(super) fn asked(required: &InputRequired) -> String {
    let methods: Vec<&str> = required.requests.iter().map(|request| request.method.as_str()).collect();
    methods.join(", ")
}

impl Ended {
    /// How the whole call ended, for its span and the metrics.
    pub(super) fn ending(&self) -> Ending {
        match &self.came {
            End::Released { release, is_error } => {
                Ending::Answered { bytes: release.bytes().len(), is_error: *is_error }
            }
            End::InputRequired(release) | End::Task(release) => {
                Ending::Answered { bytes: release.bytes().len(), is_error: false }
            }
            End::Withheld(..) => Ending::Withheld,
            End::Cut(_) | End::Cancelled => Ending::Cancelled,
            End::RpcError { code, .. } => Ending::RpcError { code: *code },
            End::Failed { kind, .. } => Ending::Failed { kind },
            End::TimedOut => Ending::TimedOut,
        }
    }
}
