//! HTTP for programs: the administration API, health and metrics.

mod access;
mod act;
mod alerts;
mod ask;
mod authzen;
mod batch;
mod changes;
mod error;
mod events;
mod exports;
mod freeze;
mod guard;
mod happening;
mod holds;
mod operations;
mod pilots;
mod reads;
mod reports;
mod requests;
mod retention;
mod router;
mod routes;
mod serve;
mod shred;
mod studies;
mod views;
mod who;

pub use access::{AccessOperations, AccessRoute};
pub use act::Act;
pub use alerts::{AlertOperations, AlertRoute, DeadView, Retry, WebhookView};
pub use ask::{DraftRequest, DraftView};
pub use authzen::{
    AccessRequest, Action, Binding, CALL, CAPABILITY, Completion, Context, Decided, Evaluation, Item, PROBLEM,
    REQUEST_SCHEMA, Reference, Requested, Task, TaskAnswer, TaskItem, Thing,
};
pub use batch::{Batch, BatchAnswer, Found, Hit, Kindred, Options, Page, PageWish, Part, Search, Semantic, Sought};
pub use changes::{ChangeOperations, ChangesView, ToolChange};
pub use error::ApiError;
pub use events::{Decision, EventFilter, EventOperations, EventRoute, EventStream, EventWish, WatchView};
pub use exports::{ExportOperations, ExportView};
pub use freeze::{FreezeOperations, FreezeRoute, FreezeView};
pub use happening::{Caller, HappeningOperations, HappeningView, Stayed};
pub use holds::{HoldOperations, HoldRoute, HoldView};
pub use operations::Operations;
pub use pilots::{PilotException, PilotOperations, PilotRoute, PilotView};
pub use reads::{Looked, ReadOperations};
pub use requests::{KeyFor, NewKey, ToolApproval};
pub use retention::{RetentionOperations, RetentionView};
pub use router::{ApiSettings, router};
pub use routes::{Access, Endpoint, Known, ROUTES, Route};
pub use shred::{ShredOperations, ShredView};
pub use studies::{Can, CanView, Graduate, Removal, Simulate, Study, Trial, days};
pub use views::{
    ApprovalView, CatalogView, ControlEvent, ControlView, DueView, EvidencePage, ExceptionView, Explanation, KeyView,
    LinkView, MadeKey, MilestoneView, ReloadView, ReviewView, RotationView, ServerView, ToolView,
};
pub use who::WhoView;

#[cfg(test)]
mod tests;
