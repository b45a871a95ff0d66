//! The only writer of exceptions: reads a history, asks who may, appends, and tells the index.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Change, Event, Exception, ExceptionStore, FoldError, Index, Notices, Signer, Spec, SprawlBudget, StoreError,
    StoredEvent, fold, needs::Need, sprawl::Sprawl,
};
use crate::domain::{
    AgentId, Clock, ExceptionId, Fault, Findings, Kind, Person, PersonId, PilotId, Registry, SuspendReason, Timestamp,
    Window,
};

/// Exceptions that are read from the store at once.
pub(super) const PAGE: usize = 1_000;

/// The desk was asked for something that it cannot or must not do.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The record has faults.
    #[error("the record has faults:\n{0}")]
    Invalid(Findings),
    /// There is none of that id.
    #[error("there is no exception `{0}`")]
    Unknown(ExceptionId),
    /// There is no pilot of that id.
    #[error("there is no pilot `{0}`")]
    UnknownPilot(PilotId),
    /// This person may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// It cannot be done as things stand.
    #[error("{0}")]
    Conflict(String),
    /// Its history was changed behind our back; it is not used (T082).
    #[error("exception `{id}` is not what was approved and is not used: {what}")]
    Damaged {
        /// The exception.
        id: ExceptionId,
        /// What is wrong with it.
        what: String,
    },
    /// The store or the key cannot be used now, or somebody else was faster.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DeskError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Invalid(_) | Self::Unknown(_) | Self::UnknownPilot(_) => Fault::Caller,
            Self::Forbidden(_) | Self::Conflict(_) => Fault::Refused,
            Self::Damaged { .. } => Fault::Internal,
            Self::Store(error) => error.fault(),
        }
    }
}

/// What was found when the desk opened.
#[derive(Debug, Default)]
pub struct Opening {
    /// How many exceptions there are, ended ones included.
    pub exceptions: usize,
    /// Those whose history is not one that we wrote; each is an alarm.
    pub damaged: Vec<(ExceptionId, String)>,
}

/// The desk. Cheap to clone; all clones are the same desk.
#[derive(Clone)]
pub struct Desk {
    pub(super) parts: Arc<Parts>,
}

pub(super) struct Parts {
    pub(super) store: Arc<dyn ExceptionStore>,
    pub(super) registry: Arc<ArcSwap<Registry>>,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) index: Arc<Index>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) notices: OnceLock<Arc<dyn Notices>>,
    /// One change at a time, so that caps hold.
    turn: Arc<Semaphore>,
}

/// Owners with an exception of theirs.
type Owned = Vec<(PersonId, ExceptionId)>;

/// What no single history says.
#[derive(Default)]
pub(super) struct Ledger {
    /// Break-glass exceptions that wait for their review, by owner.
    open_reviews: BTreeMap<PersonId, BTreeSet<ExceptionId>>,
    /// Which exception renews which, while that renewal is asked for or was approved.
    successors: BTreeMap<ExceptionId, ExceptionId>,
    /// Who has how many alive.
    pub(super) sprawl: Sprawl,
    /// The most that there may be.
    pub(super) budget: SprawlBudget,
    /// The exceptions that name a pilot, ended ones included.
    of_pilot: BTreeMap<PilotId, BTreeSet<ExceptionId>>,
    /// Live exceptions by owner, each with whether it is suspended because the owner is gone.
    owners: BTreeMap<PersonId, BTreeMap<ExceptionId, bool>>,
    /// What was approved for an agent, over or not.
    granted: BTreeMap<AgentId, BTreeMap<ExceptionId, (Kind, Window)>>,
    /// What live exceptions need of the controls.
    pub(super) needs: BTreeMap<ExceptionId, Need>,
    /// The registry that owners were held against last.
    pub(super) seen: Option<Arc<Registry>>,
    /// When the clock next changes something about an exception.
    pub(super) due: BinaryHeap<Reverse<(Timestamp, ExceptionId)>>,
}

/// The right to change, held until the change is kept.
pub(super) struct Turn(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Desk {
    /// A desk with an empty index; [`Desk::open`] fills it.
    #[must_use]
    pub fn new(
        store: Arc<dyn ExceptionStore>,
        registry: Arc<ArcSwap<Registry>>,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let index = Arc::new(Index::new(Arc::clone(&registry)));
        let turn = Arc::new(Semaphore::new(1));
        let parts =
            Parts { store, registry, signer, clock, index, ledger: Mutex::default(), notices: OnceLock::new(), turn };
        Self { parts: Arc::new(parts) }
    }

    /// The read side.
    #[must_use]
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&self.parts.index)
    }

    /// Reads every history, verifies what is live, and fills the index. What was changed behind our back is reported
    /// and left out.
    ///
    /// # Errors
    /// The store cannot be read; the index stays as it was.
    pub async fn open(&self) -> Result<Opening, DeskError> {
        let _turn = self.turn().await?;
        let parts = &self.parts;
        let now = parts.clock.now();
        let (mut opening, mut ledger, mut build) = (Opening::default(), Ledger::default(), parts.index.build());
        let mut after = None;
        loop {
            let page = parts.store.load(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.exception.clone());
            for history in page.chunk_by(|a, b| a.exception == b.exception) {
                opening.exceptions += 1;
                match parts.judge(history, now) {
                    Ok(exception) => {
                        ledger.note(&exception, now);
                        build.add(&exception);
                    }
                    Err(what) => opening.damaged.extend(history.first().map(|e| (e.exception.clone(), what))),
                }
            }
        }
        ledger.budget = parts.ledger().budget;
        *parts.ledger() = ledger;
        parts.index.install(build);
        Ok(opening)
    }

    /// One exception.
    ///
    /// # Errors
    /// There is none of that id, it was changed behind our back, or the store cannot be read.
    pub async fn show(&self, id: &ExceptionId) -> Result<Exception, DeskError> {
        self.parts.read(id).await
    }

    /// The history of one exception.
    ///
    /// # Errors
    /// There is none of that id, or the store cannot be read.
    pub async fn history(&self, id: &ExceptionId) -> Result<Vec<StoredEvent>, DeskError> {
        let history = self.parts.store.history(id).await?;
        if history.is_empty() { Err(DeskError::Unknown(id.clone())) } else { Ok(history) }
    }

    /// How much of its budget is charged.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn uses(&self, id: &ExceptionId) -> Result<u64, DeskError> {
        Ok(self.parts.store.uses(id).await?)
    }

    /// At most `limit` exceptions behind `after`, in the order of their ids. Damaged ones are left out here and
    /// told by [`Desk::show`].
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(&self, after: Option<&ExceptionId>, limit: usize) -> Result<Vec<Exception>, DeskError> {
        let page = self.parts.store.load(after, limit.min(PAGE)).await?;
        Ok(page.chunk_by(|a, b| a.exception == b.exception).filter_map(|history| fold(history).ok()).collect())
    }

    /// The whole histories of at most `limit` exceptions behind `after`, in the order of their ids.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn histories(&self, after: Option<&ExceptionId>, limit: usize) -> Result<Vec<StoredEvent>, DeskError> {
        Ok(self.parts.store.load(after, limit.min(PAGE)).await?)
    }

    pub(super) async fn turn(&self) -> Result<Turn, DeskError> {
        let permit = Arc::clone(&self.parts.turn).acquire_owned().await;
        permit.map(Turn).map_err(|_| StoreError::Unavailable("the desk is closed".to_owned()).into())
    }

    /// Appends to this exception and tells the index, in a task of its own: a caller who goes away in between cannot
    /// leave the index behind the store.
    pub(super) async fn append(
        &self,
        turn: Turn,
        id: &ExceptionId,
        at: u64,
        change: Change,
    ) -> Result<Exception, DeskError> {
        let (parts, id) = (Arc::clone(&self.parts), id.clone());
        let task = tokio::spawn(async move {
            let _turn = turn;
            parts.append(&id, at, change).await
        });
        match task.await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unavailable("the change was broken off".to_owned()).into()),
        }
    }

    /// Events by a person at this moment.
    pub(super) fn change(&self, events: Vec<Event>, by: &Person, reason: &str) -> Change {
        let actor = by.id.as_str().to_owned();
        Change { events, at: self.parts.clock.now(), actor, reason: reason.to_owned() }
    }
}

impl Parts {
    pub(super) fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exception, verified if it can still be used. One that was changed behind our back leaves the index.
    pub(super) async fn read(&self, id: &ExceptionId) -> Result<Exception, DeskError> {
        let history = self.store.history(id).await?;
        if history.is_empty() {
            return Err(DeskError::Unknown(id.clone()));
        }
        self.judge(&history, self.clock.now()).map_err(|what| {
            self.index.remove(id);
            DeskError::Damaged { id: id.clone(), what }
        })
    }

    fn judge(&self, history: &[StoredEvent], now: Timestamp) -> Result<Exception, String> {
        let exception = fold(history).map_err(|error: FoldError| error.to_string())?;
        if exception.is_live(now) && !exception.is_genuine(&*self.signer) {
            return Err("an approval does not bear our signature".to_owned());
        }
        Ok(exception)
    }

    /// Appends, then reads back what the store now holds. When that is not known, the exception is not used.
    async fn append(&self, id: &ExceptionId, at: u64, change: Change) -> Result<Exception, DeskError> {
        let appended = self.store.append(id, at, change).await;
        // Read even after a failure: the append may have been kept after all.
        let read = self.reread(id).await;
        appended?;
        read
    }

    /// Reads what the store now holds, and tells the index.
    pub(super) async fn reread(&self, id: &ExceptionId) -> Result<Exception, DeskError> {
        let read = self.read(id).await;
        match &read {
            Ok(exception) => {
                self.ledger().note(exception, self.clock.now());
                self.index.replace(exception);
            }
            Err(_) => self.index.remove(id),
        }
        read
    }
}

impl Ledger {
    /// Takes notice of how an exception stands now.
    pub(super) fn note(&mut self, exception: &Exception, now: Timestamp) {
        let id = &exception.id;
        let owner = &exception.spec.owner.human;
        self.sprawl.note(exception, now);
        match Need::of(exception, now) {
            Some(need) => drop(self.needs.insert(id.clone(), need)),
            None => drop(self.needs.remove(id)),
        }
        if exception.is_review_open() {
            self.open_reviews.entry(owner.clone()).or_default().insert(id.clone());
        } else if let Some(open) = self.open_reviews.get_mut(owner) {
            open.remove(id);
        }
        if let Some(earlier) = &exception.spec.supersedes {
            let holds = exception.state.live().is_some() || exception.request_ends().is_some_and(|end| now < end);
            if holds {
                self.successors.insert(earlier.clone(), id.clone());
            } else if self.successors.get(earlier) == Some(id) {
                self.successors.remove(earlier);
            }
        }
        if exception.is_live(now) {
            let held = exception.is_held_for(SuspendReason::OwnerIneligible);
            self.owners.entry(owner.clone()).or_default().insert(id.clone(), held);
        } else if let Some(owned) = self.owners.get_mut(owner) {
            owned.remove(id);
        }
        if exception.state.live().is_some() {
            for agent in &exception.spec.subject.agents {
                let entry = (exception.spec.kind, exception.spec.window);
                self.granted.entry(agent.clone()).or_default().insert(id.clone(), entry);
            }
        }
        if let Some(pilot) = &exception.spec.pilot {
            self.of_pilot.entry(pilot.clone()).or_default().insert(id.clone());
        }
        self.due.extend(exception.next_due(now).map(|moment| Reverse((moment, id.clone()))));
    }

    /// A break-glass exception of this owner, other than this one, that waits for its review.
    pub(super) fn open_review(&self, owner: &PersonId, but: &ExceptionId) -> Option<&ExceptionId> {
        self.open_reviews.get(owner)?.iter().find(|id| *id != but)
    }

    /// Live exceptions whose owner may not own and that are not suspended for that, and those that are and need not.
    pub(super) fn owners_against(&self, may: &dyn Fn(&PersonId) -> bool) -> (Owned, Owned) {
        let (mut gone, mut back) = (Owned::new(), Owned::new());
        for (owner, owned) in &self.owners {
            let may = may(owner);
            for (id, held) in owned {
                match (may, held) {
                    (false, false) => gone.push((owner.clone(), id.clone())),
                    (true, true) => back.push((owner.clone(), id.clone())),
                    (true, false) | (false, true) => {}
                }
            }
        }
        (gone, back)
    }

    /// Every live exception.
    pub(super) fn live(&self) -> Vec<ExceptionId> {
        self.owners.values().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Exceptions of this kind that were approved for one of these agents and reach beyond this moment.
    pub(super) fn granted(&self, spec: &Spec, since: Timestamp) -> BTreeSet<ExceptionId> {
        let of = spec.subject.agents.iter().filter_map(|agent| self.granted.get(agent)).flatten();
        let near = |kind: Kind, window: Window| {
            kind == spec.kind && window.not_after > since && window.not_before < spec.window.not_after
        };
        of.filter(|(id, (kind, window))| **id != spec.id && near(*kind, *window)).map(|(id, _)| id.clone()).collect()
    }

    /// The exceptions that name this pilot.
    pub(super) fn of_pilot(&self, pilot: &PilotId) -> BTreeSet<ExceptionId> {
        self.of_pilot.get(pilot).cloned().unwrap_or_default()
    }

    /// Which other exception renews this one already.
    pub(super) fn renewed_by(&self, earlier: &ExceptionId, but: &ExceptionId) -> Option<&ExceptionId> {
        self.successors.get(earlier).filter(|id| *id != but)
    }
}
