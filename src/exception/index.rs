//! The read side: which exceptions concern an agent and a tool, as cheap at a million as at ten.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    hash::{BuildHasher as _, Hash, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use super::{
    Exception,
    entry::{Entry, Names},
};
use crate::domain::{
    AgentId, Candidate, ExceptionId, PersonId, Registry, Standing, SuspendReason, Timestamp, ToolRef, limits,
};

/// Shards of a table. One change rewrites one shard per key: a few hundred entries at a million exceptions.
const SHARDS: usize = if cfg!(test) { 64 } else { 4_096 };

/// Rows in the order of their hash; the entry itself holds the key that the hash stands for.
type Shard = Vec<(u64, Arc<Entry>)>;

/// Readers take no lock; writers take turns and swap whole shards.
struct Table(Box<[ArcSwap<Shard>]>);

/// Approved exceptions by (agent, server, tool), by agent and by id.
pub struct Index {
    hasher: RandomState,
    by_use: Table,
    by_agent: Table,
    by_id: Table,
    registry: Arc<ArcSwap<Registry>>,
    /// What only writers touch.
    writing: Mutex<Writing>,
    /// The latest moment ever asked about, in microseconds: an expired exception stays expired (I12).
    latest: AtomicI64,
    /// A reason that holds for all of them.
    everything: ArcSwap<Option<SuspendReason>>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Writing {
    names: Names,
    /// Moments at which some standing changes by the clock; a stale one costs one needless look.
    moments: BinaryHeap<Reverse<Timestamp>>,
}

impl Index {
    /// An empty index: no exception is usable. The registry is asked at every decision.
    #[must_use]
    pub fn new(registry: Arc<ArcSwap<Registry>>) -> Self {
        Self {
            hasher: RandomState::new(),
            by_use: Table::new(),
            by_agent: Table::new(),
            by_id: Table::new(),
            registry,
            writing: Mutex::default(),
            latest: AtomicI64::new(i64::MIN),
            everything: ArcSwap::from_pointee(None),
            changes: watch::Sender::new(0),
        }
    }

    /// The exceptions that concern this agent and tool at this moment, at most [`limits::CANDIDATES`]: usable ones
    /// first, then the earliest end, then the id. With a suspect clock none is usable (I12).
    #[must_use]
    pub fn candidates(&self, agent: &AgentId, tool: &ToolRef, now: Timestamp, clock_suspect: bool) -> Vec<Candidate> {
        let now = self.not_before_seen(now);
        let hash = self.hash(&(agent, &tool.server, &tool.tool));
        let shard = self.by_use.load(hash);
        let mut rows =
            equal(&shard, hash).filter(|entry| entry.concerns(agent, tool) && entry.is_current(now)).peekable();
        if rows.peek().is_none() {
            return Vec::new();
        }
        let (registry, over_all) = (self.registry.load(), self.over_all(clock_suspect));
        let mut found: Vec<_> =
            rows.map(|entry| (under(over_all, entry.standing(agent, now, &registry)), entry)).collect();
        found.sort_by(|(a, left), (b, right)| {
            let order = |standing: &Standing| *standing != Standing::Usable;
            (order(a), left.window.not_after, &left.id).cmp(&(order(b), right.window.not_after, &right.id))
        });
        found.truncate(limits::CANDIDATES);
        found.into_iter().map(|(standing, entry)| entry.candidate(standing)).collect()
    }

    /// The exception that paid for the first round of a call, as it stands to the later ones: that other calls have
    /// spent its budget since does not end a call that was paid for; whatever else ends or suspends it does (T035).
    #[must_use]
    pub fn paid(
        &self,
        (id, revision): (&ExceptionId, u32),
        (agent, tool): (&AgentId, &ToolRef),
        now: Timestamp,
        clock_suspect: bool,
    ) -> Option<Candidate> {
        let now = self.not_before_seen(now);
        let entry = self.find(id)?;
        if entry.revision != revision || !entry.concerns(agent, tool) || !entry.is_current(now) {
            return None;
        }
        let standing = entry.standing_paid(agent, now, &self.registry.load());
        Some(entry.candidate(under(self.over_all(clock_suspect), standing)))
    }

    /// The tools of the exceptions whose window holds this moment, usable or not, for this agent.
    #[must_use]
    pub fn tools_of(&self, agent: &AgentId, now: Timestamp) -> BTreeSet<ToolRef> {
        let now = self.not_before_seen(now);
        let hash = self.hash(agent);
        let shard = self.by_agent.load(hash);
        equal(&shard, hash)
            .filter(|entry| entry.agents.contains(agent) && entry.is_current(now))
            .flat_map(|entry| entry.tools())
            .collect()
    }

    /// How many exceptions name this agent, are approved and not over.
    #[must_use]
    pub fn live_of(&self, agent: &AgentId, now: Timestamp) -> usize {
        let now = self.not_before_seen(now);
        let hash = self.hash(agent);
        let shard = self.by_agent.load(hash);
        equal(&shard, hash).filter(|entry| entry.agents.contains(agent) && entry.counts(now)).count()
    }

    /// The exceptions that name this agent, are approved and not over.
    #[must_use]
    pub fn ids_of(&self, agent: &AgentId, now: Timestamp) -> BTreeSet<ExceptionId> {
        let now = self.not_before_seen(now);
        let hash = self.hash(agent);
        let shard = self.by_agent.load(hash);
        let entries = equal(&shard, hash).filter(|entry| entry.agents.contains(agent) && entry.counts(now));
        entries.map(|entry| entry.id.clone()).collect()
    }

    /// The revision that was approved, unless the exception is over by its events.
    #[must_use]
    pub fn revision_of(&self, id: &ExceptionId) -> Option<u32> {
        self.find(id).map(|entry| entry.revision)
    }

    /// Who answers for it, unless the exception is over by its events.
    #[must_use]
    pub fn owner_of(&self, id: &ExceptionId) -> Option<PersonId> {
        self.find(id).map(|entry| entry.owner.clone())
    }

    /// The approved revision, and whether this agent can still use it: what a call in flight asks after every change
    /// (T085). `None`: it is over, or has not begun.
    #[must_use]
    pub fn standing_of(
        &self,
        id: &ExceptionId,
        agent: &AgentId,
        now: Timestamp,
        clock_suspect: bool,
    ) -> Option<(u32, Standing)> {
        let now = self.not_before_seen(now);
        let entry = self.find(id)?;
        let current = entry.is_current(now) && entry.agents.contains(agent);
        let standing = || under(self.over_all(clock_suspect), entry.standing(agent, now, &self.registry.load()));
        current.then(|| (entry.revision, standing()))
    }

    /// The next moment behind `now` at which some standing changes by the clock. Moments that are over are forgotten.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let mut writing = self.write();
        while writing.moments.peek().is_some_and(|Reverse(moment)| *moment <= now) {
            writing.moments.pop();
        }
        writing.moments.peek().map(|Reverse(moment)| *moment)
    }

    /// Counts the changes that events made; those of the clock come from [`Index::next_change`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Suspends every exception for this reason, or lifts that: a store that is behind must revive nothing.
    pub fn suspend_all(&self, reason: Option<SuspendReason>) {
        self.everything.store(Arc::new(reason));
        self.bump();
    }

    /// Replaces everything by these.
    pub fn rebuild<'a>(&self, exceptions: impl IntoIterator<Item = &'a Exception>) {
        let mut build = self.build();
        for exception in exceptions {
            build.add(exception);
        }
        self.install(build);
    }

    /// Begins a new filling.
    pub(super) fn build(&self) -> Build<'_> {
        Build { index: self, writing: Writing::default(), tables: [0; 3].map(|_| vec![Shard::new(); SHARDS]) }
    }

    /// Puts a new filling in the place of everything that was known.
    pub(super) fn install(&self, build: Build<'_>) {
        let Build { writing: new, tables: [uses, agents, ids], .. } = build;
        let mut writing = self.write();
        *writing = new;
        self.by_use.fill(uses);
        self.by_agent.fill(agents);
        self.by_id.fill(ids);
        drop(writing);
        self.bump();
    }

    /// Puts this exception in the place of what was known of it. The cost does not grow with their number.
    pub fn replace(&self, exception: &Exception) {
        let mut writing = self.write();
        let entry = Entry::of(exception, &mut writing.names).map(Arc::new);
        if let Some(entry) = &entry {
            writing.moments.extend(entry.moments().map(Reverse));
        }
        self.exchange(&exception.id, entry.as_ref());
        drop(writing);
        self.bump();
    }

    /// Forgets this exception: it is not usable until it is put back. For one whose history cannot be read.
    pub fn remove(&self, id: &ExceptionId) {
        let writing = self.write();
        self.exchange(id, None);
        drop(writing);
        self.bump();
    }

    /// How many exceptions it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.0.iter().map(|shard| shard.load().len()).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn exchange(&self, id: &ExceptionId, new: Option<&Arc<Entry>>) {
        let old = self.find(id);
        if !new.is_some_and(|new| new.is_open())
            && let Some(old) = &old
        {
            old.retire();
        }
        let put = |shard: &mut Shard, hash| {
            shard.retain(|(_, entry)| entry.id != *id);
            if let Some(new) = new {
                insert(shard, hash, new);
            }
        };
        // What was approved never changes, so the old entry and the new one stand under the same keys.
        let Some(entry) = new.or(old.as_ref()) else { return };
        for hash in self.uses(entry) {
            self.by_use.change(hash, |shard| put(shard, hash));
        }
        for agent in &entry.agents {
            let hash = self.hash(agent);
            self.by_agent.change(hash, |shard| put(shard, hash));
        }
        let hash = self.hash(id);
        self.by_id.change(hash, |shard| put(shard, hash));
    }

    /// Why none of them is usable now, if so.
    fn over_all(&self, clock_suspect: bool) -> Option<SuspendReason> {
        (**self.everything.load()).or_else(|| clock_suspect.then_some(SuspendReason::ControlUnhealthy))
    }

    fn find(&self, id: &ExceptionId) -> Option<Arc<Entry>> {
        let hash = self.hash(id);
        let shard = self.by_id.load(hash);
        equal(&shard, hash).find(|entry| entry.id == *id).map(Arc::clone)
    }

    fn uses(&self, entry: &Entry) -> Vec<u64> {
        let tools: Vec<_> = entry.tools().collect();
        let of_agent = |agent| tools.iter().map(move |tool| self.hash(&(agent, &tool.server, &tool.tool)));
        entry.agents.iter().flat_map(of_agent).collect()
    }

    fn hash(&self, key: &impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    fn not_before_seen(&self, now: Timestamp) -> Timestamp {
        let seen = self.latest.fetch_max(now.timestamp_micros(), Ordering::Relaxed);
        Timestamp::from_timestamp_micros(seen).map_or(now, |seen| seen.max(now))
    }

    fn write(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// A filling of the index that decisions do not see yet.
pub(super) struct Build<'a> {
    index: &'a Index,
    writing: Writing,
    /// By use, by agent, by id.
    tables: [Vec<Shard>; 3],
}

impl Build<'_> {
    /// Adds an exception that was not added before.
    pub(super) fn add(&mut self, exception: &Exception) {
        let Some(entry) = Entry::of(exception, &mut self.writing.names).map(Arc::new) else { return };
        self.writing.moments.extend(entry.moments().map(Reverse));
        let [uses, agents, ids] = &mut self.tables;
        for hash in self.index.uses(&entry) {
            add(uses, hash, &entry);
        }
        for agent in &entry.agents {
            add(agents, self.index.hash(agent), &entry);
        }
        add(ids, self.index.hash(&entry.id), &entry);
    }
}

impl Table {
    fn new() -> Self {
        let empty = Arc::new(Shard::new());
        Self((0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect())
    }

    fn load(&self, hash: u64) -> Option<Guard<Arc<Shard>>> {
        self.0.get(place(hash)).map(ArcSwap::load)
    }

    fn change(&self, hash: u64, change: impl FnOnce(&mut Shard)) {
        if let Some(slot) = self.0.get(place(hash)) {
            let mut shard = Shard::clone(&slot.load());
            change(&mut shard);
            slot.store(Arc::new(shard));
        }
    }

    fn fill(&self, shards: Vec<Shard>) {
        for (slot, mut shard) in self.0.iter().zip(shards) {
            shard.sort_unstable_by_key(|(hash, _)| *hash);
            shard.shrink_to_fit();
            slot.store(Arc::new(shard));
        }
    }
}

/// The shard that a hash falls into, by bits that the order inside the shard does not need.
const fn place(hash: u64) -> usize {
    (hash % SHARDS as u64) as usize
}

/// The standing under a reason that holds for all.
fn under(over_all: Option<SuspendReason>, standing: Standing) -> Standing {
    match (over_all, standing) {
        (Some(reason), Standing::Usable) => Standing::Suspended(reason),
        (None, Standing::Usable) | (_, Standing::Suspended(_) | Standing::Exhausted) => standing,
    }
}

fn equal(shard: &Option<Guard<Arc<Shard>>>, hash: u64) -> impl Iterator<Item = &Arc<Entry>> {
    let shard = shard.as_ref().map_or(&[][..], |shard| shard.as_slice());
    let start = shard.partition_point(|(row, _)| *row < hash);
    shard.iter().skip(start).take_while(move |(row, _)| *row == hash).map(|(_, entry)| entry)
}

fn add(shards: &mut [Shard], hash: u64, entry: &Arc<Entry>) {
    if let Some(shard) = shards.get_mut(place(hash)) {
        shard.push((hash, Arc::clone(entry)));
    }
}

fn insert(shard: &mut Shard, hash: u64, entry: &Arc<Entry>) {
    let at = shard.partition_point(|(row, _)| *row < hash);
    shard.insert(at, (hash, Arc::clone(entry)));
}
