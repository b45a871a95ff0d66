//! A call to a legacy server on Streamable HTTP: a POST whose stream may ask, break off, and be taken up again.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use serde_json::value::RawValue;
use tokio::{sync::OwnedSemaphorePermit, time::sleep};

use super::{
    exchange::{Begun, Lost, Wire, is},
    session::{Place, Session},
    standing::Aboard,
    stream::Stream,
};
use crate::{
    mcp::{
        Id, InputMethod,
        client::{self, Answer, Incoming, Outgoing},
        code,
    },
    upstream::{
        FailureKind,
        conclude::may_ask,
        rounds::{EarRef, Flight, Question, Step},
    },
};

/// Questions that wait while nobody listens.
const QUESTIONS: usize = 8;
/// Streams in a row that bring nothing new, before the call is given up.
const BARREN: u8 = 3;
/// The pause before a broken stream is asked for again, where the server named none, and its bounds.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_LEAST: Duration = Duration::from_millis(20);
const RETRY_MOST: Duration = Duration::from_secs(60);

type Opening = Pin<Box<dyn Future<Output = Result<(StatusCode, Begun), Lost>> + Send>>;

/// A call on its way.
pub(super) struct PostFlight {
    road: Road,
    /// The head of the answer is still awaited, and questions may come before it.
    opening: Option<Opening>,
    status: StatusCode,
    stream: Option<Box<Stream>>,
    /// What comes to the call on the standing stream.
    aboard: Option<Aboard>,
    /// How the exchange ended while nobody waited.
    ended: Option<Result<Answer, FailureKind>>,
    questions: VecDeque<Question>,
    last: Option<String>,
    retry: Duration,
    barren: u8,
    slot: Option<OwnedSemaphorePermit>,
}

/// Tells the server what it has to know when the flight ends too soon.
struct Road {
    wire: Arc<Wire>,
    place: Arc<Place>,
    id: u64,
    question: Option<Question>,
    done: bool,
}

impl PostFlight {
    pub(super) fn new(wire: Arc<Wire>, place: Arc<Place>, id: u64, slot: OwnedSemaphorePermit) -> Self {
        let road = Road { wire, place, id, question: None, done: false };
        let (stream, ended, questions, last) = (None, None, VecDeque::new(), None);
        let (opening, aboard, status) = (None, None, StatusCode::OK);
        Self {
            road,
            opening,
            status,
            stream,
            aboard,
            ended,
            questions,
            last,
            retry: RETRY,
            barren: 0,
            slot: Some(slot),
        }
    }

    /// Gives back the right to a call, if the flight came to nothing.
    pub(super) const fn slot(&mut self) -> Option<OwnedSemaphorePermit> {
        self.slot.take()
    }

    /// Sends the request and waits for the first step.
    pub(super) async fn begin(&mut self, request: &Outgoing, ear: EarRef<'_>) -> Result<(StatusCode, Step), Lost> {
        let session = self.road.session().map_err(Lost::before)?;
        let version = session.version;
        if let Some(standing) = &session.standing {
            self.aboard = Some(standing.board(self.road.id, ear.keep()));
            let (wire, id, request) = (self.road.wire.clone(), self.road.id, request.clone());
            self.opening = Some(Box::pin(async move { wire.begin(id, &request, version).await }));
            let sent = |kind| Lost { kind, sent: kind != FailureKind::Unreachable };
            return self.step(ear).await.map(|step| (self.status, step)).map_err(sent);
        }
        let ended = match self.road.wire.begin(self.road.id, request, version).await {
            Ok((status, Begun::Answer(answer, _))) => Ok((status, Step::Answer(answer))),
            Ok((status, Begun::Stream(stream, _))) => {
                self.stream = Some(stream);
                return self.step(ear).await.map(|step| (status, step)).map_err(Lost::after);
            }
            Err(lost) => Err(lost),
        };
        self.road.done = true;
        ended
    }

    /// Reads on. Without an ear questions wait, and nothing is told.
    async fn read(&mut self, ear: Option<EarRef<'_>>) -> Result<Step, FailureKind> {
        loop {
            if let Some(ear) = ear
                && let Some(question) = self.questions.pop_front()
            {
                if ear.takes_input && may_ask(ear.capabilities, question.method, question.params.as_deref()) {
                    self.road.question = Some(question);
                    return Ok(Step::Asks);
                }
                self.road.refuse(&question.id)?;
                continue;
            }
            let room = self.questions.len() < QUESTIONS;
            let question = asked(self.aboard.as_mut().filter(|_| room));
            if let Some(opening) = &mut self.opening {
                tokio::select! {
                    biased;
                    question = question => self.questions.push_back(question),
                    opened = opening => {
                        self.opening = None;
                        let (status, begun) = opened.map_err(|lost| lost.kind)?;
                        self.status = status;
                        match begun {
                            Begun::Answer(answer, _) => return Ok(Step::Answer(answer)),
                            Begun::Stream(stream, _) => self.stream = Some(stream),
                        }
                    }
                }
                continue;
            }
            let stream = self.stream.as_mut().ok_or(FailureKind::Closed)?;
            let message = tokio::select! {
                biased;
                message = stream.message() => message,
                question = question => {
                    self.questions.push_back(question);
                    continue;
                }
            };
            match message {
                Ok(Some(incoming)) => {
                    if let Some(answer) = self.take(incoming, ear)? {
                        return Ok(Step::Answer(answer));
                    }
                }
                Ok(None) | Err(FailureKind::Closed) => self.go_on().await?,
                Err(kind) => return Err(kind),
            }
        }
    }

    fn take(&mut self, incoming: Incoming, ear: Option<EarRef<'_>>) -> Result<Option<Answer>, FailureKind> {
        self.barren = 0;
        match incoming {
            Incoming::Answer { id, answer } if id == self.road.id => return Ok(Some(answer)),
            Incoming::Answer { .. } | Incoming::Stray => return Err(FailureKind::Garbage),
            Incoming::Progress { id, params } => {
                if let Some(ear) = ear.filter(|_| id == self.road.id) {
                    ear.progress(params);
                }
            }
            Incoming::Log { level, params } => {
                if let Some(ear) = ear {
                    ear.log(level, params);
                }
            }
            Incoming::ListChanged => self.road.wire.board.stale.notify_one(),
            Incoming::Request { id, method, params } => match InputMethod::of(&method) {
                Some(method) if self.questions.len() < QUESTIONS => {
                    self.questions.push_back(Question { id, method, params });
                }
                Some(_) => self.road.fault(&id, "too many questions wait for an answer")?,
                None => self.road.session()?.answer(&self.road.wire, &id, &method)?,
            },
            Incoming::Notification { .. } | Incoming::Acknowledged { .. } | Incoming::News(_) => {}
        }
        Ok(None)
    }

    /// Takes a stream up again that broke off before the answer, if the server gave its events ids. The request
    /// itself is never sent twice.
    async fn go_on(&mut self) -> Result<(), FailureKind> {
        let stream = self.stream.as_mut().ok_or(FailureKind::Closed)?;
        if let Some(last) = stream.last_id() {
            if self.last.as_deref() != Some(last) {
                self.barren = 0;
            }
            self.last = Some(last.to_owned());
        }
        self.retry = stream.retry().map_or(self.retry, |retry| retry.clamp(RETRY_LEAST, RETRY_MOST));
        let last = self.last.as_deref().ok_or(FailureKind::Closed)?;
        loop {
            self.barren += 1;
            if self.barren > BARREN {
                return Err(FailureKind::Closed);
            }
            sleep(self.retry).await;
            let request = client::standing_stream(self.road.session()?.speaker(), Some(last));
            match self.road.wire.open(Method::GET, &request).await {
                Ok(response) if response.status().is_success() && is(response.headers(), "text/event-stream") => {
                    stream.go_on(response.into_body());
                    return Ok(());
                }
                Ok(response) if response.status().is_server_error() => {}
                Ok(_) => return Err(FailureKind::Closed),
                Err(Lost { kind: FailureKind::Unreachable | FailureKind::Closed, .. }) => {}
                Err(lost) => return Err(lost.kind),
            }
        }
    }
}

impl Flight for PostFlight {
    fn question(&mut self) -> &mut Option<Question> {
        &mut self.road.question
    }

    async fn reply(&mut self, to: &RawValue, answer: &RawValue) -> Result<(), FailureKind> {
        let id = Id::read(to).map_err(|_| FailureKind::Garbage)?;
        let reply = client::answer(self.road.session()?.speaker(), id, answer);
        self.road.wire.tell(&reply).await
    }

    async fn step(&mut self, ear: EarRef<'_>) -> Result<Step, FailureKind> {
        let step = match self.ended.take() {
            Some(ended) => ended.map(Step::Answer),
            None => self.read(Some(ear)).await,
        };
        self.road.done = !matches!(step, Ok(Step::Asks));
        step
    }

    async fn idle(&mut self) {
        if self.ended.is_none() {
            match self.read(None).await {
                Ok(Step::Answer(answer)) => self.ended = Some(Ok(answer)),
                Ok(Step::Asks) => {}
                Err(kind) => self.ended = Some(Err(kind)),
            }
        }
        std::future::pending().await
    }
}

/// The next question of the standing stream, if there is one.
async fn asked(aboard: Option<&mut Aboard>) -> Question {
    match aboard {
        Some(aboard) => aboard.question().await,
        None => std::future::pending().await,
    }
}

impl Road {
    fn session(&self) -> Result<&Session, FailureKind> {
        self.place.cell.get().ok_or(FailureKind::Closed)
    }

    fn refuse(&self, to: &RawValue) -> Result<(), FailureKind> {
        let id = Id::read(to).map_err(|_| FailureKind::Garbage)?;
        self.wire.tell_aside(client::refuse(self.session()?.speaker(), id));
        Ok(())
    }

    fn fault(&self, to: &RawValue, message: &str) -> Result<(), FailureKind> {
        let id = Id::read(to).map_err(|_| FailureKind::Garbage)?;
        self.wire.tell_aside(client::fault(self.session()?.speaker(), id, code::INTERNAL, message));
        Ok(())
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if let Some(question) = self.question.take() {
            let _told = self.fault(&question.id, "nobody answered in time");
        }
        if let Ok(session) = self.session() {
            self.wire.tell_aside(client::cancelled(session.speaker(), self.id));
        }
    }
}
