//! Calls that wait for a person's yes, as people see and answer them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{house::House, view};
use crate::{
    api::{ApiError, HoldOperations, HoldView, Looked, ReadOperations as _},
    console::{Desk, HoldPage},
    domain::{Duty, HoldId, Person},
    evidence::{Hold, HoldState, SealError, Surface},
    store::Answer,
    store::HoldError,
};

/// The longest time between two looks at what is over.
const LOOK: Duration = Duration::from_secs(60);

fn hold_error(error: HoldError) -> ApiError {
    match error {
        HoldError::Unknown => ApiError::not_found(),
        HoldError::Settled(_) => ApiError::conflict(error.to_string()),
        HoldError::Unavailable(_) => ApiError::unavailable(error.to_string()),
    }
}

impl House {
    /// What this person may see of a hold; nothing, if it is none of theirs.
    async fn held(&self, by: &Person, hold: &Hold, whole: bool) -> Result<Option<HoldView>, ApiError> {
        let ask = &hold.ask;
        let delegator = ask.caller.on_behalf_of.as_ref();
        let (exception, may) = self.desk.answerer(&ask.exception, by, delegator).await.map_err(view::desk_error)?;
        let sees = exception.spec.owner.human == by.id
            || exception.requester == by.id
            || [Duty::Approve, Duty::Security, Duty::Audit, Duty::Administer]
                .iter()
                .any(|duty| by.duties.contains(duty));
        if may.is_err() && !sees {
            return Ok(None);
        }
        let sealed = ask.call.arguments.sealed.as_ref().filter(|_| whole && may.is_ok());
        let opened = sealed.map(|sealed| self.store.keyring().sealer.open(&hold.decision, sealed)).transpose();
        // What was shredded after the call was sealed and before it was asked about: nobody says yes to it.
        let (opened, not_you) = match opened {
            Ok(opened) => (opened, may.err()),
            Err(error @ SealError::Shredded { .. }) => (None, Some(format!("its arguments were {error}"))),
            Err(error) => return Err(ApiError::conflict(error.to_string())),
        };
        Ok(Some(HoldView {
            id: hold.id.clone(),
            state: hold.state.as_str().to_owned(),
            answered_by: match &hold.state {
                HoldState::Open => None,
                HoldState::Approved(by, _) | HoldState::Denied(by, _) => Some(by.clone()),
            },
            exception: ask.exception.clone(),
            revision: ask.revision,
            owner: exception.spec.owner.human.clone(),
            rationale: exception.spec.rationale.clone(),
            agent: ask.caller.agent.clone(),
            on_behalf_of: delegator.cloned(),
            tool: format!("{}/{}", ask.call.server, ask.call.tool),
            definition: ask.call.definition,
            arguments: opened.map(|text| String::from_utf8_lossy(&text).into_owned()),
            action: ask.action,
            asked: hold.asked,
            expires: ask.expires,
            page: ask.page.clone(),
            not_you,
        }))
    }

    fn hold_of(&self, id: &HoldId) -> Result<Hold, ApiError> {
        let now = self.clock.now();
        let holds = self.store.holds().borrow().clone();
        let found = holds.iter().find(|hold| hold.id == *id && now < hold.ask.expires).cloned();
        found.ok_or_else(ApiError::not_found)
    }
}

#[async_trait]
impl HoldOperations for House {
    async fn holds(&self, by: &Arc<Person>) -> Result<Vec<HoldView>, ApiError> {
        let (now, holds) = (self.clock.now(), self.store.holds().borrow().clone());
        let mut views = Vec::new();
        for hold in holds.iter().filter(|hold| now < hold.ask.expires) {
            views.extend(self.held(by, hold, false).await?);
        }
        Ok(views)
    }

    async fn hold(&self, by: &Arc<Person>, id: &HoldId) -> Result<HoldView, ApiError> {
        self.held(by, &self.hold_of(id)?, true).await?.ok_or_else(ApiError::not_found)
    }

    async fn answer_hold(
        &self,
        by: &Arc<Person>,
        id: &HoldId,
        yes: bool,
        reason: String,
    ) -> Result<HoldView, ApiError> {
        let hold = self.hold_of(id)?;
        // Who says no need not see the arguments, which may not open any more.
        let view = self.held(by, &hold, yes).await?.ok_or_else(ApiError::not_found)?;
        if let Some(why) = view.not_you {
            return Err(ApiError::forbidden(why));
        }
        // A no takes no more than a credential; a yes is an approval.
        if yes {
            self.desk.strong(by).map_err(view::desk_error)?;
        }
        let sign_in = by.sign_in.as_ref().map(|sign_in| sign_in.methods.iter().cloned().collect());
        let answer = Answer {
            by: by.id.clone(),
            credential: by.credential.id.clone(),
            methods: sign_in.unwrap_or_default(),
            yes,
            reason,
        };
        let now = self.clock.now();
        let answered = self.store.answer_hold(id, answer, now).await.map_err(hold_error)?;
        let waited = (now - answered.asked).to_std().unwrap_or_default();
        self.telemetry.metrics().holds().answered(yes, waited);
        tracing::info!(hold = %id, yes, by = %by.id, "a call that waited was answered");
        Ok(HoldView { state: answered.state.as_str().to_owned(), answered_by: Some(by.id.to_string()), ..view })
    }
}

#[async_trait]
impl Desk for House {
    async fn hold(&self, by: &Arc<Person>, id: &HoldId) -> Option<HoldPage> {
        let looked = Looked { what: id.to_string(), count: Some(1), ..Looked::at(Surface::Holds) };
        self.note_read(by, looked).await.ok()?;
        let view = HoldOperations::hold(self, by, id).await.ok()?;
        Some(HoldPage {
            id: view.id,
            state: view.state,
            exception: view.exception.to_string(),
            owner: view.owner.to_string(),
            rationale: view.rationale,
            agent: view.agent.to_string(),
            on_behalf_of: view.on_behalf_of.map(|person| person.to_string()).unwrap_or_default(),
            tool: view.tool,
            arguments: view.arguments,
            expires: view.expires,
            not_you: view.not_you,
        })
    }

    async fn answer(&self, by: &Arc<Person>, id: &HoldId, yes: bool, reason: String) -> Result<(), String> {
        self.answer_hold(by, id, yes, reason).await.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// Counts holds that wait, and ends those whose time is over, each by a record.
pub(super) async fn follow(house: Arc<House>) {
    let mut holds = house.store.holds();
    loop {
        let now = house.clock.now();
        let all = Arc::clone(&holds.borrow_and_update());
        let first = all.iter().map(|hold| hold.ask.expires).min();
        let waits = |hold: &&Hold| hold.state == HoldState::Open;
        house.telemetry.metrics().holds().waiting(all.iter().filter(waits).count());
        let wait = first.map_or(LOOK, |first| (first - now).to_std().unwrap_or_default().min(LOOK));
        tokio::select! {
            changed = holds.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {
                let now = house.clock.now();
                if first.is_none_or(|first| first > now) {
                    continue;
                }
                match house.store.expire_holds(now).await {
                    Ok(over) => {
                        let open = over.iter().filter(waits).count();
                        (0..open).for_each(|_| house.telemetry.metrics().holds().unanswered());
                    }
                    Err(error) => {
                        tracing::warn!(%error, "holds that are over are not recorded yet");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        }
    }
}
