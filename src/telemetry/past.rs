//! A use of an exception that is told again, from what the journal says of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanId, SpanKind, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator as _, SpanData};

use super::{
    attribute,
    ending::Ending,
    facts::Peer,
    ids::{Part, span_id},
    queue::Bundle,
    span::{close, data},
    start::Telemetry,
    tally::Tally,
};
use crate::domain::{
    AgentId, DecisionId, ExposedName, Method, PersonId, ServerName, SessionId, Timestamp, ToolName, Verdict, names,
};

/// The name of a marker.
pub(super) const PROBE: &str = "postern.probe";

/// What the journal says of a use of an exception.
#[derive(Debug, Clone)]
pub struct Past {
    /// The decision; the ids of the spans are computed from it.
    pub decision: DecisionId,
    /// The trace, 32 hex digits.
    pub trace: String,
    /// The caller's own span, 16 hex digits.
    pub parent: Option<String>,
    /// The agent.
    pub agent: AgentId,
    /// The person it acted for; shown as a pseudonym.
    pub user: Option<PersonId>,
    /// The legacy session.
    pub session: Option<SessionId>,
    /// The revision of MCP that was spoken.
    pub protocol: String,
    /// The tool server.
    pub server: ServerName,
    /// The tool by its own name.
    pub tool: ToolName,
    /// The tool as the agent named it.
    pub exposed: ExposedName,
    /// Why it was allowed.
    pub verdict: Verdict,
    /// Where the intent stands in the journal.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How long the tool server took; none if it was not asked, or nobody knows.
    pub took: Option<Duration>,
    /// How it ended.
    pub ending: Ending,
}

impl Telemetry {
    /// Sends a use again, under the ids that its spans had. `false` if there is no room for it now, or no collector.
    #[must_use]
    pub fn tell_again(&self, past: &Past) -> bool {
        let Some(recorder) = &self.recorder else { return false };
        let Some(place) = recorder.queues.place_again() else { return false };
        let spans = past.spans();
        let receipt = Some(recorder.uses.hold(span_id(&past.decision, Part::Server)));
        let tally = Tally::new(Arc::clone(&recorder.metrics), true, spans.len());
        place.put(Bundle { spans, receipt, again: true, tally });
        recorder.metrics.told_again();
        true
    }
}

impl Telemetry {
    /// Sends a marker: a span of a trace of its own. Gives both ids in hex, or none if there is no room for it now.
    #[must_use]
    pub fn mark(&self, now: Timestamp) -> Option<(String, String)> {
        let recorder = self.recorder.as_ref()?;
        let place = recorder.queues.place_again()?;
        let (trace, id) = (recorder.ids.new_trace_id(), recorder.ids.new_span_id());
        let context = SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::default());
        let mut span = data(&context, SpanKind::Internal, PROBE.into());
        (span.start_time, span.end_time) = (now.into(), now.into());
        let tally = Tally::new(Arc::clone(&recorder.metrics), true, 1);
        place.put(Bundle { spans: vec![span], receipt: None, again: true, tally });
        Some((trace.to_string(), id.to_string()))
    }
}

impl Past {
    fn spans(&self) -> Vec<SpanData> {
        // What is no trace id no collector takes, so the use is told as lost.
        let trace = TraceId::from_hex(&self.trace).unwrap_or(TraceId::INVALID);
        let context = |part| {
            let id = span_id(&self.decision, part);
            SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::default())
        };
        let (above, began) = (context(Part::Server), SystemTime::from(self.at));
        let ended = SystemTime::from(self.ended).max(began);

        let name = format!("{} {}", attribute::CALL, self.exposed).into();
        let mut server = data(&above, SpanKind::Server, name);
        if let Some(parent) = self.parent.as_deref().and_then(|parent| SpanId::from_hex(parent).ok()) {
            (server.parent_span_id, server.parent_span_is_remote) = (parent, true);
        }
        (server.start_time, server.end_time) = (began, ended);
        server.attributes = self.request();
        close(&mut server, self.ending, true);
        server.attributes.extend(attribute::decision(&self.verdict));
        let seq = i64::try_from(self.seq).unwrap_or(i64::MAX);
        server.attributes.push(KeyValue::new(names::AUDIT_SEQ, seq));
        server.attributes.push(KeyValue::new(names::REPLAYED, true));

        let mut authorize = data(&context(Part::Authorize), SpanKind::Internal, "postern.authorize".into());
        authorize.parent_span_id = above.span_id();
        (authorize.start_time, authorize.end_time) = (began, began);
        authorize.attributes = attribute::authorize(&self.decision, &self.verdict);

        let mut spans = vec![authorize, server];
        if let Some(took) = self.took {
            let name = format!("{} {}", attribute::CALL, self.tool).into();
            let mut client = data(&context(Part::Client(0)), SpanKind::Client, name);
            client.parent_span_id = above.span_id();
            (client.start_time, client.end_time) = (ended.checked_sub(took).unwrap_or(began).max(began), ended);
            client.attributes = attribute::client(&self.peer());
            close(&mut client, self.ending, false);
            spans.push(client);
        }
        spans
    }

    fn request(&self) -> Vec<KeyValue> {
        let mut list = vec![
            KeyValue::new(names::MCP_METHOD, attribute::CALL),
            KeyValue::new(names::MCP_PROTOCOL, self.protocol.clone()),
            KeyValue::new(names::AGENT, self.agent.as_str().to_owned()),
            KeyValue::new(names::OPERATION, "execute_tool"),
            KeyValue::new(names::TOOL, self.exposed.as_str().to_owned()),
            KeyValue::new(names::SERVER, self.server.as_str().to_owned()),
        ];
        if let Some(session) = &self.session {
            list.push(KeyValue::new(names::MCP_SESSION, session.as_str().to_owned()));
        }
        if let Some(person) = &self.user {
            list.push(KeyValue::new(names::USER, attribute::pseudonym(person)));
        }
        list
    }

    fn peer(&self) -> Peer {
        Peer {
            server: self.server.clone(),
            method: Method::CallTool,
            name: Some(self.tool.as_str().to_owned()),
            transport: "tcp",
            address: None,
            port: None,
        }
    }
}
