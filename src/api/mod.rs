//! HTTP for programs: the administration API, health and metrics.

mod act;
mod changes;
mod error;
mod guard;
mod operations;
mod pilots;
mod requests;
mod router;
mod routes;
mod serve;
mod views;

pub use act::Act;
pub use changes::{ChangeOperations, ChangesView, ToolChange};
pub use error::ApiError;
pub use operations::Operations;
pub use pilots::{PilotException, PilotOperations, PilotRoute, PilotView};
pub use requests::{KeyFor, NewKey, ToolApproval};
pub use router::{ApiSettings, router};
pub use routes::{Access, Endpoint, Known, ROUTES, Route};
pub use views::{
    ApprovalView, CatalogView, ControlView, DueView, EvidencePage, ExceptionView, Explanation, KeyView, LinkView,
    MadeKey, ReloadView, ServerView, ToolView, WhoView,
};

#[cfg(test)]
mod tests;
