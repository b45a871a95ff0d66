//! Pilots over HTTP: submit, list, one with its exceptions, end.

use std::sync::Arc;

use async_trait::async_trait;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ApiError, Operations,
    act::reason,
    requests::ReasonBody,
    serve::{Asked, created, id_of, json_answer, json_body, record},
};
use crate::domain::{AgentId, Digest, Document, Duty, ExceptionId, Person, PersonId, PilotId, RoleName, Timestamp};

/// What can be asked of pilots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PilotRoute {
    /// Submit one.
    Submit,
    /// All of them.
    List,
    /// One with its exceptions.
    Show,
    /// End one, and all of its live exceptions with it.
    End,
}

/// What people can do with pilots; the part of [`Operations`] that is about them.
#[async_trait]
pub trait PilotOperations: Send + Sync + 'static {
    /// Submits a pilot: a new one, or a new revision of one.
    async fn submit_pilot(&self, by: &Arc<Person>, record: Document) -> Result<PilotView, ApiError>;
    /// All pilots, without their exceptions.
    async fn pilots(&self) -> Result<Vec<PilotView>, ApiError>;
    /// One pilot with its exceptions.
    async fn pilot(&self, id: &PilotId) -> Result<Option<PilotView>, ApiError>;
    /// Ends it and revokes all of its live exceptions, in one act.
    async fn end_pilot(&self, by: &Arc<Person>, id: &PilotId, reason: String) -> Result<PilotView, ApiError>;
}

/// An exception of a pilot, as far as the pilot's state needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PilotException {
    /// Its id.
    pub id: ExceptionId,
    /// Its state in one word.
    pub state: String,
    /// Why, where the state has a reason.
    pub reason: Option<String>,
    /// For which agents.
    pub agents: Vec<AgentId>,
    /// On which server.
    pub server: String,
    /// Which tools.
    pub tools: Vec<String>,
    /// Calls over its whole life.
    pub calls: u64,
    /// Calls that were charged.
    pub used: u64,
    /// When the owner's word is due next.
    pub attestation_due: Option<Timestamp>,
    /// Until when.
    pub not_after: Timestamp,
    /// Whole days until then, for one that is live.
    pub days_left: Option<i64>,
}

/// A pilot as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PilotView {
    /// Its id.
    pub id: PilotId,
    /// The revision that is spoken of.
    pub revision: u32,
    /// The digest of its spec.
    pub digest: Digest,
    /// What people call it.
    pub title: String,
    /// `planned`, `active` or `ended`.
    pub state: String,
    /// Who answers for it.
    pub owner: PersonId,
    /// Who stands in for the owner.
    pub backup: Option<PersonId>,
    /// Who asked for it.
    pub requester: PersonId,
    /// The agents that take part.
    pub cohort: Vec<AgentId>,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// Whole days until then, unless it is over.
    pub days_left: Option<i64>,
    /// The role that is to take over.
    pub target_role: RoleName,
    /// When it is done.
    pub criteria: String,
    /// Steps on the way: what, and by when.
    pub milestones: Vec<(String, String)>,
    /// Why.
    pub rationale: String,
    /// How many of its exceptions are live.
    pub live: usize,
    /// Calls that its live exceptions may make in all.
    pub calls: u64,
    /// Calls that its exceptions made.
    pub used: u64,
    /// The next moment at which the word of the owner is due.
    pub attestation_due: Option<Timestamp>,
    /// Who ended it, if a person did.
    pub ended_by: Option<PersonId>,
    /// Why.
    pub ended_why: Option<String>,
    /// The exceptions that the act of ending revoked; only in its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<ExceptionId>,
    /// Its exceptions; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<Vec<PilotException>>,
    /// The pilot as it was submitted; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
}

impl PilotView {
    /// Whether this person may see it: owner, backup, requester, and those whose duty it is to look at all.
    #[must_use]
    pub fn visible_to(&self, person: &Person) -> bool {
        const OVERSIGHT: [Duty; 4] = [Duty::Approve, Duty::Security, Duty::Audit, Duty::Administer];
        self.owner == person.id
            || self.requester == person.id
            || self.backup.as_ref() == Some(&person.id)
            || OVERSIGHT.iter().any(|duty| person.duties.contains(duty))
    }
}

pub(super) async fn answer(
    operations: &dyn Operations,
    route: PilotRoute,
    asked: &Asked,
) -> Result<Response, ApiError> {
    let by = &asked.by;
    match route {
        PilotRoute::Submit => created(&operations.submit_pilot(by, record(asked)?).await?),
        PilotRoute::List => {
            let mut views = operations.pilots().await?;
            views.retain(|view| view.visible_to(by));
            json_answer(&views)
        }
        PilotRoute::Show => json_answer(&visible(operations, asked).await?),
        PilotRoute::End => {
            let view = visible(operations, asked).await?;
            let why = reason(json_body::<ReasonBody>(asked)?.reason)?;
            json_answer(&operations.end_pilot(by, &view.id, why).await?)
        }
    }
}

/// The pilot of the path if this person may see it; else the same answer as for none (T163).
async fn visible(operations: &dyn Operations, asked: &Asked) -> Result<PilotView, ApiError> {
    let id: PilotId = id_of(asked)?;
    let view = operations.pilot(&id).await?;
    view.filter(|view| view.visible_to(&asked.by)).ok_or_else(ApiError::not_found)
}
