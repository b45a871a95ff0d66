//! A call that waits for a person's yes: what is asked, how the agent learns of it, and how long a round waits.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;
use serde_json::{Value, json, value::to_raw_value};

use super::{Gateway, refuse::Refusal, round::Round, visit::Visit};
use crate::{
    catalog::ToolCall,
    domain::{Candidate, Digest, Duty, Grant, HoldId, Obligation, PersonId, Reach, Reason, ServerName, limits},
    evidence::{Called, Hold, HoldAsk, HoldState},
    mcp::{
        InputMethod, InputRequest, InputRequired,
        server::{Link, Request},
    },
    policy::Permit,
};

/// What must be answered before a call is admitted.
#[derive(Debug, Clone)]
pub struct Holding {
    /// The id of the hold, if it has to be asked.
    pub id: HoldId,
    /// What is asked.
    pub ask: Arc<HoldAsk>,
    /// Who may answer by the policies that decided; the yes of anybody else is void.
    pub answerers: Arc<BTreeSet<PersonId>>,
    /// Whether people were asked in an earlier round; then they are not asked anew.
    pub again: bool,
}

/// A round that follows a question of our own.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) id: HoldId,
    /// Rounds so far.
    pub(super) rounds: u8,
    /// Whether the client said that it will not show the page.
    pub(super) declined: bool,
}

/// Rounds in which a client waits for an answer; then it is told to call again.
const ROUNDS: u8 = 6;

impl Gateway {
    /// From a request to a checked call in its round. A round that waits for a person waits here, and is looked at
    /// afresh when the waiting is over.
    pub(super) async fn arrive(
        &self,
        visit: Visit,
        request: &Request,
        link: &Link,
    ) -> Result<(Visit, ToolCall, Vec<Candidate>, Round), (Visit, Box<Refusal>)> {
        let (call, candidates) = match self.resolve(&visit, request) {
            Ok(resolved) => resolved,
            Err(refusal) => return Err((visit, refusal)),
        };
        let round = match self.round_of(&visit, &call, request) {
            Ok(round) => round,
            Err(refusal) => return Err((visit, refusal)),
        };
        let Some(asking) = round.hold.as_ref().filter(|asking| !asking.declined) else {
            return Ok((visit, call, candidates, round));
        };
        let server = &call.tool().reference.server;
        self.wait(&asking.id, (&visit, server), link).await;
        let (epoch, visit) = (visit.world.epoch, self.visit(Arc::clone(&visit.subject), request));
        // Whoever is gone spends no yes, and nobody is judged by what was true before the waiting.
        let waited = |reason| Box::new(Refusal::waited(visit.refusal(reason), call.tool(), request));
        if link.cancelled.is_cancelled() {
            let refusal = waited(Reason::ApprovalPending);
            return Err((visit, refusal));
        }
        if visit.world.epoch != epoch || visit.now >= visit.subject.credential.expires {
            let refusal = waited(Reason::Stale);
            return Err((visit, refusal));
        }
        match self.resolve(&visit, request) {
            Ok((call, candidates)) => Ok((visit, call, candidates, round)),
            Err(refusal) => Err((visit, refusal)),
        }
    }

    /// Returns when the hold was answered or is over, the caller is gone, what it waits for is frozen or revoked, or the
    /// round has waited long enough.
    async fn wait(&self, id: &HoldId, (visit, server): (&Visit, &ServerName), link: &Link) {
        let Ok(_place) = self.waits.try_acquire() else { return };
        let mut holds = self.parts.admission.holds();
        let exception = holds.borrow().iter().find(|hold| hold.id == *id).map(|hold| hold.ask.exception.clone());
        let reach = Reach { exception: exception.as_ref(), ..visit.reach(server) };
        let flight = self.flight(visit, &reach, link);
        // What was frozen before the flight began is seen here, and what is frozen later cuts it.
        if self.frozen(&reach).is_some() {
            return;
        }
        let cut = flight.cancelled();
        let answered =
            holds.wait_for(|holds| !holds.iter().any(|hold| hold.id == *id && hold.state == HoldState::Open));
        tokio::select! {
            _ = answered => {}
            () = cut.cancelled() => {}
            () = tokio::time::sleep(limits::HOLD_WAIT) => {}
        }
    }

    /// What people are asked before this call, if its exception demands it and no earlier round was admitted.
    pub(super) fn holding(
        &self,
        (visit, permit): (&Visit, &Permit),
        round: &Round,
        called: &Called,
    ) -> Result<Option<Holding>, String> {
        let Some(grant) = permit.grant() else { return Ok(None) };
        let expires_s = grant
            .obligations
            .iter()
            .filter_map(|duty| if let Obligation::ApprovalHold { expires_s } = duty { Some(*expires_s) } else { None });
        let Some(expires_s) = expires_s.min() else { return Ok(None) };
        if called.arguments.sealed.is_none() {
            return Err("the arguments are too long to be shown to the person who has to approve them".to_owned());
        }
        let id = HoldId::from_bits(super::visit::random_bits(visit.now));
        let ask = HoldAsk {
            action: self.parts.sealer.stamp(bound(visit, grant, (called, permit.call().digest())).as_bytes()),
            exception: grant.exception.clone(),
            revision: grant.revision,
            caller: visit.caller(None),
            call: called.clone(),
            expires: visit.now + TimeDelta::seconds(expires_s.into()),
            page: format!("{}/holds/{id}", self.parts.admin_url),
        };
        let answerers = Arc::new(answerers(visit));
        Ok(Some(Holding { id, ask: Arc::new(ask), answerers, again: round.hold.is_some() }))
    }

    /// A call that waits: a question to a client that can show a page, and else a refusal that says what to do.
    pub(super) fn held(&self, (visit, permit): (&Visit, &Permit), round: &Round, hold: &Hold) -> Refusal {
        let page = &hold.ask.page;
        let expires = hold.ask.expires.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let facts = json!({"id": hold.id, "state": hold.state.as_str(), "expires": expires, "page": page,
            "approvers": "the owner of the exception, or a person with the duty `approve`",
            "next": "call again with the same arguments after the approval"});
        let detail = format!("{} until {expires}", hold.id);
        let rounds = round.hold.as_ref().map_or(0, |asking| asking.rounds);
        let declined = round.hold.as_ref().is_some_and(|asking| asking.declined);
        let asks = visit.capabilities.elicits_by_url() && !declined && rounds < ROUNDS;
        let ask = asks.then(|| self.question_of(visit, permit, hold, (page, rounds))).flatten();
        Refusal::held(permit, detail, (facts, ask))
    }

    /// The page in the first round; in later ones nothing is asked but to come again.
    fn question_of(
        &self,
        visit: &Visit,
        permit: &Permit,
        hold: &Hold,
        (page, rounds): (&str, u8),
    ) -> Option<InputRequired> {
        let call = permit.call();
        let tool = &call.tool().reference;
        let mut requests = Vec::new();
        if rounds == 0 {
            let message = format!("A person has to approve this call of {tool} before it is made.");
            let params: Value = json!({"mode": "url", "url": page, "message": message});
            let params = Some(to_raw_value(&params).ok()?);
            requests.push(InputRequest { key: "hold".into(), method: InputMethod::Elicit, params });
        }
        let what = format!("{tool} {}", call.digest());
        let state = self.hold_state(visit, &what, (hold.id.clone(), rounds + 1))?;
        Some(InputRequired { requests, state: Some(state) })
    }
}

/// Who may say yes at this moment, whatever the exception: whose it is was looked at when the answer came, and the
/// revision is part of what the answer is bound to.
fn answerers(visit: &Visit) -> BTreeSet<PersonId> {
    let registry = visit.world.policies.registry();
    let operator = registry.agents.get(&visit.subject.agent).map(|agent| &agent.operator);
    let delegator = visit.subject.on_behalf_of.as_ref().map(|delegator| &delegator.person);
    let may = |id: &&PersonId| registry.may(id, Duty::Approve) || registry.may(id, Duty::Own);
    let alien = |id: &&PersonId| operator != Some(*id) && delegator != Some(*id);
    registry.people.keys().filter(may).filter(alien).cloned().collect()
}

/// What a yes is bound to. Its digest stands on record, so the gateway's own key goes into that: from a bare digest
/// short arguments could be guessed.
pub(super) fn bound(visit: &Visit, grant: &Grant, (called, arguments): (&Called, Digest)) -> String {
    // Members in the order of their names, without spaces: the same bytes for the same call (RFC 8785).
    json!({
        "agent": visit.subject.agent,
        "arguments": arguments,
        "definition": called.definition,
        "epoch": visit.world.epoch,
        "exception": grant.exception,
        "revision": grant.revision,
        "server": called.server,
        "subject": visit.subject.on_behalf_of.as_ref().map(|delegator| &delegator.person),
        "tool": called.tool,
    })
    .to_string()
}
