//! A call that waits for a person's yes: what is asked, how the agent learns of it, and how long a round waits.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json, value::to_raw_value};

use super::{Gateway, refuse::Refusal, round::Round, visit::Visit};
use crate::{
    catalog::ToolCall,
    domain::{Candidate, Digest, Grant, HoldId, Obligation, limits},
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
        self.wait(&asking.id, link).await;
        let visit = self.visit(Arc::clone(&visit.subject), request);
        match self.resolve(&visit, request) {
            Ok((call, candidates)) => Ok((visit, call, candidates, round)),
            Err(refusal) => Err((visit, refusal)),
        }
    }

    /// Returns when the hold was answered or is over, the caller is gone, or the round has waited long enough.
    async fn wait(&self, id: &HoldId, link: &Link) {
        let Ok(_place) = self.waits.try_acquire() else { return };
        let mut holds = self.parts.admission.holds();
        let answered =
            holds.wait_for(|holds| !holds.iter().any(|hold| hold.id == *id && hold.state == HoldState::Open));
        tokio::select! {
            _ = answered => {}
            () = link.cancelled.cancelled() => {}
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
            action: self.action((visit, permit), grant, called),
            exception: grant.exception.clone(),
            revision: grant.revision,
            caller: visit.caller(None),
            call: called.clone(),
            expires: visit.now + TimeDelta::seconds(expires_s.into()),
            page: format!("/holds/{id}"),
        };
        Ok(Some(Holding { id, ask: Arc::new(ask), again: round.hold.is_some() }))
    }

    /// A call that waits: a question to a client that can show a page, and else a refusal that says what to do.
    pub(super) fn held(&self, (visit, permit): (&Visit, &Permit), round: &Round, hold: &Hold) -> Refusal {
        let page = format!("{}{}", self.parts.admin_url, hold.ask.page);
        let expires = hold.ask.expires.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let facts = json!({"id": hold.id, "state": hold.state.as_str(), "expires": expires, "page": page,
            "approvers": "the owner of the exception, or a person with the duty `approve`",
            "next": "call again with the same arguments after the approval"});
        let detail = format!("{} until {expires}", hold.id);
        let rounds = round.hold.as_ref().map_or(0, |asking| asking.rounds);
        let declined = round.hold.as_ref().is_some_and(|asking| asking.declined);
        let asks = visit.capabilities.elicits_by_url() && !declined && rounds < ROUNDS;
        let ask = asks.then(|| self.question_of(visit, permit, hold, (&page, rounds))).flatten();
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

impl Gateway {
    /// The digest that a yes is bound to. It stands on record, so the gateway's own key is in it: from a bare digest
    /// short arguments could be guessed.
    fn action(&self, (visit, permit): (&Visit, &Permit), grant: &Grant, called: &Called) -> Digest {
        // Members in the order of their names, without spaces: the same bytes for the same call (RFC 8785).
        let bound = json!({
            "agent": visit.subject.agent,
            "arguments": permit.call().digest(),
            "definition": called.definition,
            "epoch": visit.world.epoch,
            "exception": grant.exception,
            "revision": grant.revision,
            "server": called.server,
            "subject": visit.subject.on_behalf_of.as_ref().map(|delegator| &delegator.person),
            "tool": called.tool,
        });
        self.parts.sealer.stamp(bound.to_string().as_bytes())
    }
}
