//! The port of the API: one method for each thing that it can be asked.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use serde_json::Value;

use super::{
    AccessOperations, Act, AlertOperations, ApiError, CatalogView, ChangeOperations, ControlEvent, ControlView,
    DraftRequest, DraftView, EventOperations, EvidencePage, ExceptionView, Explanation, ExportOperations,
    FreezeOperations, HappeningOperations, HoldOperations, KeyView, LinkView, MadeKey, NewKey, PilotOperations,
    ReadOperations, ReloadView, RotationView, ShredOperations, Study, ToolApproval, ToolView,
};
use crate::{
    domain::{CredentialId, DecisionId, Document, ExceptionId, Person},
    report::{Register, Sprawl},
};

/// What people and programs can do with the gateway. The router has checked the duty that [`super::ROUTES`]
/// names before it asks; what depends on the thing itself (own exception, separation of duties) is checked
/// behind this port. Whoever changes something leaves a record, or nothing is changed.
#[async_trait]
pub trait Operations:
    PilotOperations
    + ChangeOperations
    + EventOperations
    + HappeningOperations
    + AccessOperations
    + AlertOperations
    + ExportOperations
    + FreezeOperations
    + HoldOperations
    + super::RetentionOperations
    + ShredOperations
    + ReadOperations
{
    /// The person whose key or token stands in `Authorization`.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Person>, ApiError>;
    /// Whether the gateway can take calls.
    async fn ready(&self) -> bool;
    /// Metrics in the text format of Prometheus, or in that of OpenMetrics.
    async fn metrics(&self, open: bool) -> Result<String, ApiError>;

    /// Makes a key.
    async fn make_key(&self, by: &Arc<Person>, key: NewKey) -> Result<MadeKey, ApiError>;
    /// All keys, without the keys.
    async fn keys(&self) -> Result<Vec<KeyView>, ApiError>;
    /// Ends a key at once.
    async fn revoke_key(&self, by: &Arc<Person>, id: &CredentialId) -> Result<(), ApiError>;

    /// Submits a record: a new exception, or a new revision of one.
    async fn submit(&self, by: &Arc<Person>, record: Document) -> Result<ExceptionView, ApiError>;
    /// The smallest record that would have admitted a refused call.
    async fn draft(&self, by: &Arc<Person>, request: DraftRequest) -> Result<DraftView, ApiError>;
    /// All exceptions, newest first.
    async fn exceptions(&self) -> Result<Vec<ExceptionView>, ApiError>;
    /// One exception with its spec.
    async fn exception(&self, id: &ExceptionId) -> Result<Option<ExceptionView>, ApiError>;
    /// Takes a step in the life of an exception.
    async fn act(&self, by: &Arc<Person>, id: &ExceptionId, act: Act) -> Result<ExceptionView, ApiError>;

    /// Servers and tools, with what waits for approval.
    async fn catalog(&self) -> Result<CatalogView, ApiError>;
    /// Approves definitions as they are now; answers those that it approved.
    async fn approve_tools(&self, by: &Arc<Person>, approval: ToolApproval) -> Result<Vec<ToolView>, ApiError>;

    /// A decision, read from its record and judged anew.
    async fn explain(&self, id: &DecisionId) -> Result<Option<Explanation>, ApiError>;
    /// The newest decisions, newest first.
    async fn decisions(&self, limit: usize) -> Result<Vec<Explanation>, ApiError>;
    /// Answers a question about the records, or takes a step of a removal test.
    async fn study(&self, by: &Arc<Person>, study: Study) -> Result<Value, ApiError>;
    /// The controls and their health.
    async fn controls(&self) -> Result<Vec<ControlView>, ApiError>;

    /// When controls were lost and came back, the newest first; of one control or exception, if one is named.
    async fn control_history(&self, of: Option<String>) -> Result<Vec<ControlEvent>, ApiError>;

    /// Every exception ever.
    async fn register(&self) -> Result<Register, ApiError>;
    /// The measures of sprawl over so many days.
    async fn sprawl(&self, days: u32) -> Result<Sprawl, ApiError>;

    /// Reads the policies again; faulty ones change nothing.
    async fn reload(&self, by: &Arc<Person>) -> Result<ReloadView, ApiError>;

    /// A one-time link to the console, valid for ten minutes.
    async fn console_link(&self, by: &Arc<Person>) -> Result<LinkView, ApiError>;
    /// Records from a sequence number on.
    async fn evidence(&self, by: &Arc<Person>, from: u64, limit: u32) -> Result<EvidencePage, ApiError>;
    /// Puts another signing key in the place of the present one.
    async fn rotate(&self, by: &Arc<Person>, reason: String) -> Result<RotationView, ApiError>;
    /// The newest checkpoint, a C2SP signed note.
    async fn checkpoint(&self) -> Result<Option<String>, ApiError>;
    /// The newest checkpoint that the tiles hold.
    async fn log_checkpoint(&self) -> Result<Option<String>, ApiError>;
    /// One tile.
    async fn log_tile(&self, name: &crate::evidence::tiles::TileName) -> Result<Option<Vec<u8>>, ApiError>;
}
