//! `postern tail`: the journal as it grows, over a connection that is made again when it breaks.

use std::time::{Duration, Instant};

use clap::Args;
use http::Method;
use http_body_util::BodyExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::watch;

use super::{
    client::{Body, Client},
    evidence::line,
    exit::Failure,
    screen::{Format, Screen},
    table::printable,
};
use crate::{
    api::WatchView,
    domain::{AgentId, ExceptionId, PilotId},
    evidence::Row,
};

/// Between two signs of life of who watches.
const SIGN: Duration = Duration::from_secs(1);
/// Between two attempts to connect again.
const AGAIN: Duration = Duration::from_secs(1);
/// Without a beat for so long, the connection is given up.
const SILENCE: Duration = Duration::from_secs(10);
/// Bytes of one event.
const EVENT: usize = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct TailArguments {
    /// Only this exception
    #[arg(long, value_name = "EX-…")]
    pub(super) exception: Option<ExceptionId>,
    /// Only the exceptions of this pilot
    #[arg(long, value_name = "PI-…")]
    pub(super) pilot: Option<PilotId>,
    /// Only this agent
    #[arg(long)]
    pub(super) agent: Option<AgentId>,
    /// Only calls that were let through, with their outcomes, or only refusals
    #[arg(long, value_parser = ["allow", "deny"])]
    pub(super) decision: Option<String>,
    /// Only these kinds of records, with commas between: intent,outcome,denial,lifecycle,alarm,…
    #[arg(long)]
    pub(super) kind: Option<String>,
    /// Begin behind this sequence number [default: with what is new]
    #[arg(long, value_name = "SEQ")]
    pub(super) from: Option<u64>,
    /// Watch this exception: it works while you are attached, if its `watch.attached` names you
    #[arg(long, value_name = "EX-…", conflicts_with_all = ["exception", "pilot"])]
    pub(super) watch: Option<ExceptionId>,
    /// End after so many events
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
}

/// Follows until it is interrupted, or until so many events came.
pub(super) async fn tail(arguments: TailArguments, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let connected = watch::Sender::new(false);
    let seeing = connected.subscribe();
    let followed = follow(&arguments, client, screen, &connected);
    let Some(watched) = &arguments.watch else { return followed.await };
    let signs = signs(watched, client, seeing);
    let ended = tokio::select! {
        ended = followed => ended,
        ended = signs => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let path = format!("/api/v1/exceptions/{watched}/watch");
    let left: Result<WatchView, Failure> = client.send(Method::DELETE, &path, Body::Nothing).await;
    ended.and(left.map(|_| ()))
}

/// Says every second that somebody is there, while the events reach him: a call that his watching allows is one
/// that he sees.
async fn signs(watched: &ExceptionId, client: &Client, mut seeing: watch::Receiver<bool>) -> Result<(), Failure> {
    let path = format!("/api/v1/exceptions/{watched}/watch");
    let mut told = false;
    loop {
        if seeing.wait_for(|seeing| *seeing).await.is_err() {
            return Ok(());
        }
        match client.post::<WatchView>(&path, Body::Nothing).await {
            Ok(_) if !told => {
                eprintln!("watching {watched}; it works while this runs");
                told = true;
            }
            Ok(_) => {}
            Err(Failure::Unreachable(why)) if told => eprintln!("postern: {}", printable(&why)),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(SIGN).await;
    }
}

async fn follow(
    arguments: &TailArguments,
    client: &Client,
    screen: &mut Screen<'_>,
    seeing: &watch::Sender<bool>,
) -> Result<(), Failure> {
    let mut last = arguments.from;
    let mut left = arguments.count;
    let path = path(arguments);
    let mut connected = false;
    loop {
        match client.stream(&path, last).await {
            Ok(mut body) => {
                connected = true;
                seeing.send_replace(true);
                let mut events = Events::default();
                let mut heard = Instant::now();
                while heard.elapsed() < SILENCE {
                    let Ok(frame) = tokio::time::timeout(SILENCE, body.frame()).await else { break };
                    let Some(Ok(frame)) = frame else { break };
                    let Ok(data) = frame.into_data() else { continue };
                    heard = Instant::now();
                    for event in events.push(&data)? {
                        last = Some(event.id);
                        if event.kind == "beat" {
                            continue;
                        }
                        show(event, screen)?;
                        left = left.map(|left| left.saturating_sub(1));
                        if left == Some(0) {
                            return Ok(());
                        }
                    }
                }
                seeing.send_replace(false);
                eprintln!("postern: the connection broke; connecting again");
            }
            Err(Failure::Unreachable(why)) if connected => eprintln!("postern: {}", printable(&why)),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn path(arguments: &TailArguments) -> String {
    let text = |value: Option<String>| value.map(|value| utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string());
    let exception = arguments.exception.as_ref().or(arguments.watch.as_ref());
    let members = [
        ("exception", text(exception.map(ToString::to_string))),
        ("pilot", text(arguments.pilot.as_ref().map(ToString::to_string))),
        ("agent", text(arguments.agent.as_ref().map(ToString::to_string))),
        ("decision", text(arguments.decision.clone())),
        ("kind", text(arguments.kind.clone())),
    ];
    let given = members.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name}={value}")));
    let query = given.collect::<Vec<_>>().join("&");
    if query.is_empty() { "/events".to_owned() } else { format!("/events?{query}") }
}

fn show(event: Event, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if screen.format == Format::Json {
        let mut record: Value = serde_json::from_str(&event.data)
            .map_err(|error| Failure::Refused(format!("event {} is not JSON: {error}", event.id)))?;
        if let Some(members) = record.as_object_mut() {
            members.insert("seq".to_owned(), event.id.into());
        }
        return Ok(screen.print(&format!("{record}\n"))?);
    }
    let row = Row { seq: event.id, chain: [0; 32], payload: event.data.into_bytes(), index: None };
    let [seq, at, kind, decision, who, what] = line(&row).map(|cell| printable(&cell));
    Ok(screen.print(&format!("{seq:>8}  {at}  {kind:<12}  {who:<20}  {what}  {decision}\n"))?)
}

/// One event of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    id: u64,
    kind: String,
    data: String,
}

/// Bytes → events (HTML Living Standard, 9.2.6, as far as Postern writes them).
#[derive(Debug, Default)]
struct Events {
    waiting: Vec<u8>,
}

impl Events {
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Failure> {
        self.waiting.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.waiting.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.waiting.drain(..end + 2).collect();
            events.push(read(&String::from_utf8_lossy(&event))?);
        }
        if self.waiting.len() > EVENT {
            return Err(Failure::Refused("an event has more than 1 MiB".to_owned()));
        }
        Ok(events)
    }
}

fn read(text: &str) -> Result<Event, Failure> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let id = field("id").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| Failure::Refused("an event without a place in the journal".to_owned()))?;
    let text = |name| field(name).unwrap_or_default().to_owned();
    Ok(Event { id, kind: text("event"), data: text("data") })
}

#[cfg(test)]
mod tests {
    use super::{Event, Events};

    #[test]
    fn events_are_read_however_their_bytes_are_cut() {
        let stream = b"id: 4\nevent: denial\ndata: {\"a\":1}\n\nid: 5\nevent: beat\ndata: {}\n\n";
        let event = |id, kind: &str, data: &str| Event { id, kind: kind.to_owned(), data: data.to_owned() };
        for size in 1..stream.len() {
            let mut events = Events::default();
            let read: Vec<_> = stream.chunks(size).flat_map(|part| events.push(part).unwrap()).collect();
            assert_eq!(read, [event(4, "denial", "{\"a\":1}"), event(5, "beat", "{}")]);
        }
        assert!(Events::default().push(b"data: {}\n\n").is_err());
    }
}
