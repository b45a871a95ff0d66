//! What the desk knows of all exceptions together, and no single history says.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
};

use super::{Ceiling, Ending, Exception, Spec, SprawlBudget, State, ceiling::Review, needs::Need, sprawl::Sprawl};
use crate::domain::{AgentId, ExceptionId, Kind, PersonId, PilotId, Registry, SuspendReason, Timestamp, Window};

/// Owners with an exception of theirs.
type Owned = Vec<(PersonId, ExceptionId)>;

/// What no single history says.
#[derive(Default)]
pub(super) struct Ledger {
    /// Break-glass exceptions that wait for their review, by owner.
    open_reviews: BTreeMap<PersonId, BTreeSet<ExceptionId>>,
    /// Which exception renews which, while that renewal is asked for or was approved.
    successors: BTreeMap<ExceptionId, ExceptionId>,
    /// Incidents with which an exception ended: no other is for them.
    closed_incidents: BTreeSet<String>,
    /// Live exceptions that lift guardrails.
    pub(super) exempt: BTreeSet<ExceptionId>,
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
    /// The registry that owners were held against last, and the one that guardrails were.
    pub(super) seen: Option<Arc<Registry>>,
    pub(super) seen_rules: Option<Arc<Registry>>,
    /// When the clock next changes something about an exception.
    pub(super) due: BinaryHeap<Reverse<(Timestamp, ExceptionId)>>,
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
        if exception.is_review_open() && Ceiling::of(exception.spec.kind).review == Review::Every {
            self.open_reviews.entry(owner.clone()).or_default().insert(id.clone());
        } else if let Some(open) = self.open_reviews.get_mut(owner) {
            open.remove(id);
        }
        if let (Some(incident), State::Ended { how: Ending::Finished, .. }) =
            (&exception.spec.incident, &exception.state)
        {
            self.closed_incidents.insert(incident.clone());
        }
        if !exception.spec.access.rules.is_empty() && exception.is_live(now) {
            self.exempt.insert(id.clone());
        } else {
            self.exempt.remove(id);
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

    /// Whether an exception ended with this incident.
    pub(super) fn is_closed(&self, incident: &str) -> bool {
        self.closed_incidents.contains(incident)
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
