//! The kill switch: freeze and release a scope, and what is frozen.

use std::sync::Arc;

use async_trait::async_trait;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    ApiError,
    act::reason,
    serve::{Asked, json_answer, json_body},
};
use crate::domain::{AgentId, ExceptionId, FreezeScope, Frozen, Person, PilotId, ServerName};

/// What a route of the kill switch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeRoute {
    /// Freeze a scope.
    Freeze,
    /// Release a scope.
    Unfreeze,
    /// What is frozen.
    List,
}

/// The part of [`super::Operations`] that is about the kill switch.
#[async_trait]
pub trait FreezeOperations: Send + Sync + 'static {
    /// Refuses every call of the scope from now on, and ends those in flight.
    async fn freeze(&self, by: &Arc<Person>, scope: FreezeScope, reason: String) -> Result<(), ApiError>;
    /// Ends the freeze of the scope.
    async fn unfreeze(&self, by: &Arc<Person>, scope: FreezeScope, reason: String) -> Result<(), ApiError>;
    /// All that is frozen.
    async fn freezes(&self) -> Vec<FreezeView>;
}

/// One scope of `GET /api/v1/freezes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeView {
    /// How far it reaches.
    pub scope: FreezeScope,
    /// Who, when, why.
    #[serde(flatten)]
    pub frozen: Frozen,
}

/// At most one scope; none means everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezeBody {
    reason: Option<String>,
    agent: Option<AgentId>,
    server: Option<ServerName>,
    pilot: Option<PilotId>,
    exception: Option<ExceptionId>,
}

impl FreezeBody {
    fn scope(self) -> Result<FreezeScope, ApiError> {
        let named = [
            self.agent.map(FreezeScope::Agent),
            self.server.map(FreezeScope::Server),
            self.pilot.map(FreezeScope::Pilot),
            self.exception.map(FreezeScope::Exception),
        ];
        let mut named = named.into_iter().flatten();
        match (named.next(), named.next()) {
            (scope, None) => Ok(scope.unwrap_or_default()),
            (_, Some(_)) => {
                Err(ApiError::invalid("give one of `agent`, `server`, `pilot` and `exception`, or none for everything"))
            }
        }
    }
}

/// Answers one request.
pub(super) async fn answer(
    operations: &dyn FreezeOperations,
    route: FreezeRoute,
    asked: &Asked,
) -> Result<Response, ApiError> {
    if route == FreezeRoute::List {
        return json_answer(&operations.freezes().await);
    }
    let mut body: FreezeBody = json_body(asked)?;
    let (why, frozen) = (reason(body.reason.take())?, route == FreezeRoute::Freeze);
    let scope = body.scope()?;
    if frozen {
        operations.freeze(&asked.by, scope.clone(), why).await?;
    } else {
        operations.unfreeze(&asked.by, scope.clone(), why).await?;
    }
    json_answer(&json!({"frozen": frozen, "scope": scope}))
}
