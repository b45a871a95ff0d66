//! HTTP for programs: the administration API, health and metrics.

mod act;
mod ask;
mod authzen;
mod changes;
mod error;
mod guard;
mod operations;
mod pilots;
mod reports;
mod requests;
mod router;
mod routes;
mod serve;
mod studies;
mod views;

pub use act::Act;
pub use ask::{DraftRequest, DraftView};
pub use authzen::{
    AccessRequest, Action, CALL, CAPABILITY, Completion, Context, Decided, Evaluation, PROBLEM, REQUEST_SCHEMA,
    Reference, Task, TaskAnswer, Thing,
};
pub use changes::{ChangeOperations, ChangesView, ToolChange};
pub use error::ApiError;
pub use operations::Operations;
pub use pilots::{PilotException, PilotOperations, PilotRoute, PilotView};
pub use requests::{KeyFor, NewKey, ToolApproval};
pub use router::{ApiSettings, router};
pub use routes::{Access, Endpoint, Known, ROUTES, Route};
pub use studies::{Can, CanView, Graduate, Removal, Simulate, Study, Trial, days};
pub use views::{
    ApprovalView, CatalogView, ControlEvent, ControlView, DueView, EvidencePage, ExceptionView, Explanation, KeyView,
    LinkView, MadeKey, ReloadView, ServerView, ToolView, WhoView,
};

#[cfg(test)]
mod tests;
