//! Calls that wait for a person's yes: list, show, approve, deny.

use std::sync::Arc;

use async_trait::async_trait;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::{
    ApiError,
    act::reason,
    requests::ReasonBody,
    serve::{Asked, id_of, json_answer, json_body},
};
use crate::domain::{AgentId, Digest, ExceptionId, HoldId, Person, PersonId, Timestamp};

/// What a route of holds does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldRoute {
    /// Those that this person may see.
    List,
    /// One of them.
    Show,
    /// Say yes.
    Approve,
    /// Say no.
    Deny,
}

/// The part of [`super::Operations`] that is about holds.
#[async_trait]
pub trait HoldOperations: Send + Sync + 'static {
    /// The holds that this person may see, the oldest first; without arguments.
    async fn holds(&self, by: &Arc<Person>) -> Result<Vec<HoldView>, ApiError>;
    /// One of them, with the arguments if the person may answer.
    async fn hold(&self, by: &Arc<Person>, id: &HoldId) -> Result<HoldView, ApiError>;
    /// Answers it.
    async fn answer_hold(&self, by: &Arc<Person>, id: &HoldId, yes: bool, reason: String)
    -> Result<HoldView, ApiError>;
}

/// A call that waits, or was answered and not made yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// Which one.
    pub id: HoldId,
    /// `open`, `approved` or `denied`.
    pub state: String,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// The exception that admits the call after a yes.
    pub exception: ExceptionId,
    /// Its revision.
    pub revision: u32,
    /// Its owner.
    pub owner: PersonId,
    /// Why the exception is there.
    pub rationale: String,
    /// Who wants to call.
    pub agent: AgentId,
    /// For whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<PersonId>,
    /// What, as `server/tool`.
    pub tool: String,
    /// The digest of the tool's definition.
    pub definition: Digest,
    /// The arguments exactly as they would be sent; only for those who may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// The digest that a yes is bound to.
    pub action: Digest,
    /// When it was asked.
    pub asked: Timestamp,
    /// First moment at which it is void.
    pub expires: Timestamp,
    /// Where people answer, as a path of this listener.
    pub page: String,
    /// Why the person who looks may not answer, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_you: Option<String>,
}

/// Answers one request.
pub(super) async fn answer(
    operations: &dyn HoldOperations,
    route: HoldRoute,
    asked: &Asked,
) -> Result<Response, ApiError> {
    let by = &asked.by;
    match route {
        HoldRoute::List => json_answer(&operations.holds(by).await?),
        HoldRoute::Show => json_answer(&operations.hold(by, &id_of(asked)?).await?),
        HoldRoute::Approve | HoldRoute::Deny => {
            let id = id_of(asked)?;
            let why = reason(json_body::<ReasonBody>(asked)?.reason)?;
            json_answer(&operations.answer_hold(by, &id, route == HoldRoute::Approve, why).await?)
        }
    }
}
