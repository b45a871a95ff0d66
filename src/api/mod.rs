//! HTTP for programs: the administration API, health and metrics.

mod access;
mod act;
mod ask;
mod authzen;
mod batch;
mod changes;
mod error;
mod events;
mod guard;
mod happening;
mod operations;
mod pilots;
mod reports;
mod requests;
mod router;
mod routes;
mod serve;
mod studies;
mod views;
mod who;

pub use access::{AccessOperations, AccessRoute};
pub use act::Act;
pub use ask::{DraftRequest, DraftView};
pub use authzen::{
    AccessRequest, Action, Binding, CALL, CAPABILITY, Completion, Context, Decided, Evaluation, Item, PROBLEM,
    REQUEST_SCHEMA, Reference, Requested, Task, TaskAnswer, TaskItem, Thing,
};
pub use batch::{Batch, BatchAnswer, Found, Hit, Kindred, Options, Page, PageWish, Part, Search, Semantic, Sought};
pub use changes::{ChangeOperations, ChangesView, ToolChange};
pub use error::ApiError;
pub use events::{Decision, EventFilter, EventOperations, EventRoute, EventStream, EventWish, WatchView};
pub use happening::{Caller, HappeningOperations, HappeningView, Stayed};
pub use operations::Operations;
pub use pilots::{PilotException, PilotOperations, PilotRoute, PilotView};
pub use requests::{KeyFor, NewKey, ToolApproval};
pub use router::{ApiSettings, router};
pub use routes::{Access, Endpoint, Known, ROUTES, Route};
pub use studies::{Can, CanView, Graduate, Removal, Simulate, Study, Trial, days};
pub use views::{
    ApprovalView, CatalogView, ControlView, DueView, EvidencePage, ExceptionView, Explanation, KeyView, LinkView,
    MadeKey, MilestoneView, ReloadView, ReviewView, ServerView, ToolView,
};
pub use who::WhoView;

#[cfg(test)]
mod tests;
