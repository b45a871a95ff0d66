//! Live events for people and programs, and who watches.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::house::House;
use crate::{
    api::{ApiError, EventFilter, EventOperations, EventStream, EventWish, Operations, PilotOperations, WatchView},
    domain::{Duty, ExceptionId, Obligation, Person},
    evidence::{Feed as _, Journal as _, Record, Row, Watching},
    exception::Desk,
    identity::{Authenticator, Identity, Shown},
    monitoring::ATTENTION,
    store::Store,
};

/// Streams at once.
const STREAMS: usize = 64;
/// Frames that wait for a slow reader; the journal waits for him beyond that.
const AHEAD: usize = 64;
/// Records read at once.
const BATCH: u32 = 256;
/// Exceptions whose pilot is remembered.
const MEMBERS: usize = 10_000;
/// Between two beats of a stream with nothing to tell.
const BEAT: Duration = Duration::from_secs(1);
/// Between two looks at the credential.
const RECHECK: Duration = Duration::from_secs(5);
/// Who may follow everything.
const OVERSIGHT: [Duty; 5] = [Duty::Approve, Duty::Security, Duty::VendorRisk, Duty::Audit, Duty::Administer];

/// Seats for streams, and the word that ends them.
#[derive(Debug)]
pub(super) struct Streams {
    seats: Arc<Semaphore>,
    closed: watch::Sender<bool>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { seats: Arc::new(Semaphore::new(STREAMS)), closed: watch::Sender::new(false) }
    }
}

impl Streams {
    /// Ends every stream, and those that come.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }
}

#[async_trait]
impl EventOperations for House {
    async fn events(&self, by: &Arc<Person>, headers: &HeaderMap, wish: EventWish) -> Result<EventStream, ApiError> {
        if let Some(id) = &wish.exception {
            let view = Operations::exception(self, id).await?;
            view.filter(|view| view.visible_to(by)).ok_or_else(ApiError::not_found)?;
        } else if !sees_all(by) {
            return Err(ApiError::forbidden("without a duty of oversight, name the `exception` that you own"));
        }
        if let Some(id) = &wish.pilot {
            PilotOperations::pilot(self, id).await?.ok_or_else(ApiError::not_found)?;
        }
        let seats = Arc::clone(&self.streams.seats).try_acquire_owned();
        let seat = seats.map_err(|_| ApiError::unavailable(format!("{STREAMS} streams are open; try again later")))?;
        let mut tail = Tail {
            store: Arc::clone(&self.store),
            desk: Arc::clone(&self.desk),
            authenticator: Arc::clone(&self.authenticator),
            headers: headers.clone(),
            exception: wish.exception.clone(),
            pilot: wish.pilot.clone(),
            members: BTreeMap::new(),
            seq: wish.from.unwrap_or_else(|| *self.store.durable().borrow()),
            filter: EventFilter::new(wish),
            _seat: seat,
        };
        let (to, frames) = mpsc::channel(AHEAD);
        let closed = self.streams.closed.subscribe();
        tokio::spawn(async move { tail.run(to, closed).await });
        Ok(EventStream(frames))
    }

    async fn attend(&self, by: &Arc<Person>, id: &ExceptionId) -> Result<WatchView, ApiError> {
        self.may_watch(by, id).await?;
        // The end of an earlier watch goes on record before this one begins.
        self.lapses().await;
        let now = Instant::now();
        if !self.attendance.watches(id, &by.id, now) {
            self.watching(by, id, true).await?;
        }
        if !self.attendance.renew(id, &by.id, now) {
            self.watching(by, id, false).await?;
            return Err(ApiError::unavailable("too many people watch at once"));
        }
        Ok(WatchView { exception: id.clone(), attached: true, seconds: ATTENTION.as_secs() })
    }

    async fn leave(&self, by: &Arc<Person>, id: &ExceptionId) -> Result<WatchView, ApiError> {
        self.may_watch(by, id).await?;
        if self.attendance.leave(id, &by.id) {
            self.watching(by, id, false).await?;
        }
        Ok(WatchView { exception: id.clone(), attached: false, seconds: 0 })
    }
}

impl House {
    async fn may_watch(&self, by: &Arc<Person>, id: &ExceptionId) -> Result<(), ApiError> {
        let found = self.desk.show(id).await.map_err(|error| ApiError::of_fault(error.fault(), error.to_string()))?;
        let named =
            found.spec.controls.iter().any(
                |control| matches!(&control.duty, Obligation::WatchAttached { people } if people.contains(&by.id)),
            );
        if named {
            return Ok(());
        }
        if !sees_all(by) && found.spec.owner.human != by.id && found.spec.requester.as_ref() != Some(&by.id) {
            return Err(ApiError::not_found());
        }
        Err(ApiError::conflict(
            "no `watch.attached` of this exception names you, so your watching would count for nothing",
        ))
    }

    async fn watching(&self, by: &Person, id: &ExceptionId, attached: bool) -> Result<(), ApiError> {
        let watch = Watching { at: self.clock.now(), exception: id.clone(), person: by.id.clone(), attached };
        let written = self.store.append(Record::Watch(watch)).await;
        written.map(|_| ()).map_err(|_| ApiError::unavailable("it cannot be put on record now"))
    }

    /// Notes who ceased to give signs of life.
    pub(super) async fn lapses(&self) {
        for (exception, person) in self.attendance.lapsed(Instant::now()) {
            tracing::warn!(%exception, %person, "a person who watched an exception is gone");
            let watch = Watching { at: self.clock.now(), exception, person, attached: false };
            if let Err(error) = self.store.append(Record::Watch(watch)).await {
                tracing::error!(%error, "the end of a watch is not on record");
            }
        }
    }
}

fn sees_all(person: &Person) -> bool {
    OVERSIGHT.iter().any(|duty| person.duties.contains(duty))
}

/// One stream.
struct Tail {
    store: Arc<Store>,
    desk: Arc<Desk>,
    authenticator: Arc<Authenticator>,
    headers: HeaderMap,
    /// The exception that is followed; without one it needs a duty of oversight.
    exception: Option<ExceptionId>,
    pilot: Option<crate::domain::PilotId>,
    /// Exceptions that were met, and whether they belong to that pilot.
    members: BTreeMap<ExceptionId, bool>,
    seq: u64,
    filter: EventFilter,
    _seat: OwnedSemaphorePermit,
}

impl Tail {
    async fn run(&mut self, to: mpsc::Sender<Bytes>, mut closed: watch::Receiver<bool>) {
        let mut head = self.store.durable();
        let mut checked = Instant::now();
        loop {
            head.mark_unchanged();
            let full = tokio::select! {
                sent = self.send(&to) => match sent {
                    Some(full) => full,
                    None => return,
                },
                () = over(&mut closed) => return,
            };
            if checked.elapsed() >= RECHECK {
                if !self.may_go_on().await {
                    return;
                }
                checked = Instant::now();
            }
            if full {
                continue;
            }
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(BEAT) => {
                    if to.send(self.beat()).await.is_err() {
                        return;
                    }
                }
                () = over(&mut closed) => return,
                () = to.closed() => return,
            }
        }
    }

    /// Sends a batch; whether it was a full one, or nothing if the stream is over.
    async fn send(&mut self, to: &mpsc::Sender<Bytes>) -> Option<bool> {
        let rows = match self.store.after(self.seq, BATCH).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "a stream of events ends: the journal cannot be read");
                return None;
            }
        };
        let mut gone = None;
        for row in &rows {
            self.seq = row.seq;
            if row.pruned().is_some() {
                gone = Some(row);
                continue;
            }
            // Of records that were removed the last of each run is told, so that nobody takes them for nothing.
            if let Some(row) = gone.take() {
                to.send(frame(row, "pruned")).await.ok()?;
            }
            let Ok(record) = serde_json::from_slice::<Record>(&row.payload) else { continue };
            self.place(&record).await;
            let members = &self.members;
            if self.filter.takes(&record, |id| members.get(id).copied().unwrap_or_default()) {
                to.send(frame(row, record.summary().kind)).await.ok()?;
            }
        }
        if let Some(row) = gone {
            to.send(frame(row, "pruned")).await.ok()?;
        }
        Some(rows.len() == usize::try_from(BATCH).unwrap_or(usize::MAX))
    }

    /// Learns whether the record's exception belongs to the pilot that is wished for.
    async fn place(&mut self, record: &Record) {
        let (Some(pilot), Some(id)) = (&self.pilot, EventFilter::exception(record)) else { return };
        if self.members.contains_key(&id) {
            return;
        }
        if self.members.len() >= MEMBERS {
            self.members.clear();
        }
        if let Ok(exception) = self.desk.show(&id).await {
            self.members.insert(id, exception.spec.pilot.as_ref() == Some(pilot));
        }
    }

    fn beat(&self) -> Bytes {
        Bytes::from(format!("id: {}\nevent: beat\ndata: {{}}\n\n", self.seq))
    }

    /// Whether the exception is still one that this person owns or asked for.
    async fn is_theirs(&self, person: &Person) -> bool {
        let Some(id) = &self.exception else { return false };
        let found = self.desk.show(id).await;
        found.is_ok_and(|found| found.spec.owner.human == person.id || found.requester == person.id)
    }

    async fn may_go_on(&self) -> bool {
        match self.authenticator.authenticate(&self.headers, Shown::Somewhere).await {
            Ok(Identity::Person(person)) => sees_all(&person) || self.is_theirs(&person).await,
            Ok(Identity::Agent(_)) | Err(_) => false,
        }
    }
}

async fn over(closed: &mut watch::Receiver<bool>) {
    let _nobody_left = closed.wait_for(|closed| *closed).await;
}

/// A record as an event. Its JSON has no line break, so it is one line of data.
fn frame(row: &Row, kind: &str) -> Bytes {
    let mut out = format!("id: {}\nevent: {kind}\ndata: ", row.seq).into_bytes();
    out.extend_from_slice(&row.payload);
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}
