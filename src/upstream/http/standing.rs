//! The standing stream of a principal's legacy session, on which some servers ask what belongs to a call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Method;
use serde_json::value::RawValue;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    exchange::{Wire, is},
    stream::Stream,
};
use crate::{
    mcp::{
        Id, InputMethod, Version,
        client::{self, Incoming, Speaker},
    },
    upstream::{
        FailureKind, Patience,
        backoff::{Backoff, jitter},
        rounds::{Caller, Ear, Question, route},
    },
};

/// How long the first call of a session waits for the stream.
const OPENING: Duration = Duration::from_millis(500);
/// Questions that wait for one call.
const QUESTIONS: usize = 4;

/// The stream; it is closed when this is dropped.
pub(super) struct Standing {
    flights: Arc<Flights>,
    _stop: DropGuard,
}

/// The calls of a session that are in flight.
#[derive(Default)]
struct Flights(Mutex<HashMap<u64, (Ear, mpsc::Sender<Question>)>>);

/// A call that is in flight; the questions of the stream come to it while it is alone.
pub(super) struct Aboard {
    flights: Arc<Flights>,
    id: u64,
    questions: mpsc::Receiver<Question>,
}

impl Standing {
    /// Opens the stream, and keeps it open.
    pub(super) async fn open(wire: &Arc<Wire>, version: Version, session: Option<&str>) -> Self {
        let (flights, stop) = (Arc::<Flights>::default(), CancellationToken::new());
        let opened = Arc::new(Notify::new());
        let keeping = keep(wire.clone(), version, session.map(str::to_owned), flights.clone(), opened.clone());
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = keeping => {}
                () = stopped.cancelled() => {}
            }
        });
        // A server that does not say whether it is open is not waited for.
        let _opened = timeout(OPENING, opened.notified()).await;
        Self { flights, _stop: stop.drop_guard() }
    }

    /// A call sets out.
    pub(super) fn board(&self, id: u64, ear: Ear) -> Aboard {
        let (sender, questions) = mpsc::channel(QUESTIONS);
        let ear = Ear { notices: None, ..ear };
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (ear, sender));
        Aboard { flights: self.flights.clone(), id, questions }
    }
}

impl Aboard {
    /// The next question. May be dropped at any time, nothing is lost then.
    pub(super) async fn question(&mut self) -> Question {
        match self.questions.recv().await {
            Some(question) => question,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Aboard {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Keeps the stream open as long as the server offers one.
async fn keep(wire: Arc<Wire>, version: Version, session: Option<String>, flights: Arc<Flights>, opened: Arc<Notify>) {
    let speaker = Speaker { version, session: session.as_deref() };
    let (mut backoff, mut last) = (Backoff::new(Patience::default()), None::<String>);
    loop {
        let request = client::standing_stream(speaker, last.as_deref());
        let answer = wire.open(Method::GET, &request).await;
        opened.notify_one();
        match answer {
            Ok(response) if response.status().is_success() && is(response.headers(), "text/event-stream") => {
                let mut stream = Stream::standing(response.into_body(), version);
                let ended = read(&wire, speaker, &mut stream, &flights).await;
                tracing::debug!(server = %wire.board.name, ?ended, "a standing stream ended");
                last = stream.last_id().map(str::to_owned).or(last);
            }
            Ok(response) if !response.status().is_server_error() => return,
            Ok(_) | Err(_) => {}
        }
        sleep(jitter(backoff.pause())).await;
    }
}

async fn read(
    wire: &Arc<Wire>,
    speaker: Speaker<'_>,
    stream: &mut Stream,
    flights: &Flights,
) -> Result<(), FailureKind> {
    while let Some(incoming) = stream.message().await? {
        if let Incoming::Request { id, method, params } = incoming {
            match InputMethod::of(&method) {
                Some(method) => ask(wire, speaker, flights, Question { id, method, params })?,
                None => wire.answer_request(&id, &method, speaker)?,
            }
        }
    }
    Ok(())
}

fn ask(wire: &Arc<Wire>, speaker: Speaker<'_>, flights: &Flights, question: Question) -> Result<(), FailureKind> {
    let raw: Box<RawValue> = question.id.clone();
    let id = Id::read(&raw).map_err(|_| FailureKind::Garbage)?;
    let reply = {
        let flights = flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = flights.values().map(|(ear, questions)| Caller {
            takes_input: ear.takes_input,
            capabilities: &ear.capabilities,
            questions: Some(questions),
        });
        route(calls, question, id, speaker)
    };
    if let Some(reply) = reply {
        wire.tell_aside(reply);
    }
    Ok(())
}
