//! The table of routes: who may, and what record it leaves. The router is built from it and from nothing else.

use http::Method;

use super::{AccessRoute, AlertRoute, EventRoute, FreezeRoute, HoldRoute, PilotRoute, Sought};
use crate::domain::{Duty, Person};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody who reaches the listener.
    Open,
    /// Any person who is known.
    Person,
    /// Any agent or person that is known.
    Caller,
    /// A person with one of these duties.
    Duty(&'static [Duty]),
}

impl Access {
    /// Whether this person may.
    #[must_use]
    pub fn admits(self, person: &Person) -> bool {
        match self {
            Self::Open | Self::Person | Self::Caller => true,
            Self::Duty(duties) => duties.iter().any(|duty| person.duties.contains(duty)),
        }
    }
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `200` while the process runs.
    Live,
    /// `200` while calls can be taken.
    Ready,
    /// AuthZEN: what we can and where.
    Metadata,
    /// AuthZEN: the schema of what people add to a request.
    RequestSchema,
    /// Report an event that exceptions end on; agents do so as well.
    Happening,
    /// Who asks; agents do so as well.
    WhoAmI,
    /// What only people who are known may ask.
    Known(Known),
}

/// What people who are known can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Prometheus text.
    Metrics,
    /// Make a key.
    MakeKey,
    /// List keys.
    Keys,
    /// Revoke a key.
    RevokeKey,
    /// Submit a record.
    Submit,
    /// Report that an incident is closed.
    CloseIncident,
    /// Draft a record from a refused call.
    Draft,
    /// AuthZEN.
    Access(AccessRoute),
    /// List exceptions.
    Exceptions,
    /// One exception.
    Exception,
    /// What changed around an exception since its owner's last word.
    Changes,
    /// A step in the life of an exception; the word is the path's last part.
    Act(&'static str),
    /// Live events, and who watches.
    Event(EventRoute),
    /// Pilots.
    Pilot(PilotRoute),
    /// Webhooks and dead letters.
    Alerts(AlertRoute),
    /// Where records go, and how far each destination has got.
    Exports,
    /// Servers and tools.
    Catalog,
    /// Approve definitions.
    ApproveTools,
    /// A question about the records; the word says which.
    Study(&'static str),
    /// Explain a decision.
    Explain,
    /// The newest decisions.
    Decisions,
    /// Health of the controls.
    Controls,
    /// When controls were lost and came back.
    ControlHistory,
    /// Every exception ever.
    Register,
    /// The measures of sprawl.
    Sprawl,
    /// Calls that wait for a person's yes.
    Hold(HoldRoute),
    /// The kill switch.
    Freeze(FreezeRoute),
    /// Remove records of traffic whose time is over.
    Prune,
    /// Destroy sealing keys.
    Shred,
    /// Read the policies again.
    Reload,
    /// A one-time link to the console.
    ConsoleLink,
    /// Records.
    Evidence,
    /// Put another signing key in the place of the present one.
    RotateKey,
    /// The newest checkpoint.
    Checkpoint,
    /// The newest checkpoint that the tiles hold.
    LogCheckpoint,
    /// A tile of hashes.
    LogTile,
    /// Records, as a bundle of the tiles.
    LogEntries,
}

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path; `{id}` stands for one segment.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
    /// The kind of record that it leaves (T109); `None` for those that change nothing.
    pub record: Option<&'static str>,
    /// What it does.
    pub endpoint: Endpoint,
}

const fn route(
    method: Method,
    path: &'static str,
    access: Access,
    record: Option<&'static str>,
    endpoint: Endpoint,
) -> Route {
    Route { method, path, access, record, endpoint }
}

const ADMINISTER: Access = Access::Duty(&[Duty::Administer]);
const REPORTS: Access = Access::Duty(&[Duty::Audit, Duty::Security, Duty::Administer]);
const AUDIT: Access = Access::Duty(&[Duty::Audit]);
const OVERSIGHT: Access =
    Access::Duty(&[Duty::Approve, Duty::Security, Duty::VendorRisk, Duty::Audit, Duty::Administer]);
const APPROVERS: Access = Access::Duty(&[Duty::Approve, Duty::Security, Duty::VendorRisk]);
const HOLDERS: Access = Access::Duty(&[Duty::Own, Duty::Approve, Duty::Security, Duty::Administer]);
const ASKERS: Access = Access::Duty(&[Duty::Request, Duty::Approve, Duty::Security, Duty::Audit, Duty::Administer]);
const REQUESTERS: Access = Access::Duty(&[Duty::Request]);
const STUDENTS: Access = Access::Duty(&[Duty::Security, Duty::Audit, Duty::Administer]);
const REMOVERS: Access = Access::Duty(&[Duty::Own, Duty::Approve, Duty::Security, Duty::Audit, Duty::Administer]);
const ANSWERERS: Access = Access::Duty(&[Duty::Own, Duty::Approve]);
const GET: Method = Method::GET;
const POST: Method = Method::POST;

/// Every route of the API.
pub const ROUTES: &[Route] = &[
    route(GET, "/livez", Access::Open, None, Endpoint::Live),
    route(GET, "/readyz", Access::Open, None, Endpoint::Ready),
    route(GET, "/metrics", Access::Duty(&[Duty::Audit, Duty::Administer]), None, Endpoint::Known(Known::Metrics)),
    route(GET, "/api/v1/whoami", Access::Caller, None, Endpoint::WhoAmI),
    route(POST, "/api/v1/keys", ADMINISTER, Some("key"), Endpoint::Known(Known::MakeKey)),
    route(GET, "/api/v1/keys", ADMINISTER, None, Endpoint::Known(Known::Keys)),
    route(Method::DELETE, "/api/v1/keys/{id}", ADMINISTER, Some("key"), Endpoint::Known(Known::RevokeKey)),
    route(
        POST,
        "/api/v1/exceptions",
        Access::Duty(&[Duty::Request]),
        Some("lifecycle"),
        Endpoint::Known(Known::Submit),
    ),
    route(GET, "/api/v1/exceptions", Access::Person, None, Endpoint::Known(Known::Exceptions)),
    route(GET, "/api/v1/exceptions/{id}", Access::Person, None, Endpoint::Known(Known::Exception)),
    route(GET, "/events", Access::Person, None, Endpoint::Known(Known::Event(EventRoute::Stream))),
    route(
        POST,
        "/api/v1/exceptions/{id}/watch",
        Access::Person,
        Some("watch"),
        Endpoint::Known(Known::Event(EventRoute::Attend)),
    ),
    route(
        Method::DELETE,
        "/api/v1/exceptions/{id}/watch",
        Access::Person,
        Some("watch"),
        Endpoint::Known(Known::Event(EventRoute::Leave)),
    ),
    route(GET, "/api/v1/exceptions/{id}/changes", Access::Person, None, Endpoint::Known(Known::Changes)),
    route(
        POST,
        "/api/v1/exceptions/{id}/approve",
        APPROVERS,
        Some("lifecycle"),
        Endpoint::Known(Known::Act("approve")),
    ),
    route(POST, "/api/v1/exceptions/{id}/reject", APPROVERS, Some("lifecycle"), Endpoint::Known(Known::Act("reject"))),
    route(
        POST,
        "/api/v1/exceptions/{id}/withdraw",
        Access::Duty(&[Duty::Request]),
        Some("lifecycle"),
        Endpoint::Known(Known::Act("withdraw")),
    ),
    route(
        POST,
        "/api/v1/exceptions/{id}/attest",
        Access::Duty(&[Duty::Own]),
        Some("lifecycle"),
        Endpoint::Known(Known::Act("attest")),
    ),
    route(POST, "/api/v1/exceptions/{id}/suspend", HOLDERS, Some("lifecycle"), Endpoint::Known(Known::Act("suspend"))),
    route(POST, "/api/v1/exceptions/{id}/resume", HOLDERS, Some("lifecycle"), Endpoint::Known(Known::Act("resume"))),
    route(
        POST,
        "/api/v1/exceptions/{id}/finish",
        Access::Person,
        Some("lifecycle"),
        Endpoint::Known(Known::Act("finish")),
    ),
    route(
        POST,
        "/api/v1/exceptions/{id}/milestone",
        Access::Duty(&[Duty::Own]),
        Some("lifecycle"),
        Endpoint::Known(Known::Act("milestone")),
    ),
    route(POST, "/api/v1/events", Access::Caller, Some("lifecycle"), Endpoint::Happening),
    route(
        POST,
        "/api/v1/incidents/{id}/close",
        Access::Person,
        Some("lifecycle"),
        Endpoint::Known(Known::CloseIncident),
    ),
    route(POST, "/api/v1/exceptions/{id}/review", OVERSIGHT, Some("lifecycle"), Endpoint::Known(Known::Act("review"))),
    route(POST, "/api/v1/exceptions/{id}/revoke", HOLDERS, Some("lifecycle"), Endpoint::Known(Known::Act("revoke"))),
    route(POST, "/api/v1/exceptions/drafts", REQUESTERS, None, Endpoint::Known(Known::Draft)),
    route(GET, "/.well-known/authzen-configuration", Access::Open, None, Endpoint::Metadata),
    route(GET, "/access/v1/request.schema.json", Access::Open, None, Endpoint::RequestSchema),
    route(POST, "/access/v1/evaluation", ASKERS, Some("denial"), Endpoint::Known(Known::Access(AccessRoute::Evaluate))),
    route(
        POST,
        "/access/v1/evaluations",
        ASKERS,
        Some("denial"),
        Endpoint::Known(Known::Access(AccessRoute::EvaluateAll)),
    ),
    route(
        POST,
        "/access/v1/search/subject",
        ASKERS,
        None,
        Endpoint::Known(Known::Access(AccessRoute::Search(Sought::Subject))),
    ),
    route(
        POST,
        "/access/v1/search/resource",
        ASKERS,
        None,
        Endpoint::Known(Known::Access(AccessRoute::Search(Sought::Resource))),
    ),
    route(
        POST,
        "/access/v1/search/action",
        ASKERS,
        None,
        Endpoint::Known(Known::Access(AccessRoute::Search(Sought::Action))),
    ),
    route(
        POST,
        "/access/v1/requests",
        REQUESTERS,
        Some("lifecycle"),
        Endpoint::Known(Known::Access(AccessRoute::Request)),
    ),
    route(GET, "/access/v1/requests/{id}", Access::Person, None, Endpoint::Known(Known::Access(AccessRoute::Task))),
    route(
        POST,
        "/access/v1/requests/{id}/cancel",
        REQUESTERS,
        Some("lifecycle"),
        Endpoint::Known(Known::Access(AccessRoute::Cancel)),
    ),
    route(
        POST,
        "/api/v1/exceptions/{id}/graduate",
        HOLDERS,
        Some("lifecycle"),
        Endpoint::Known(Known::Act("graduate")),
    ),
    route(POST, "/api/v1/simulate", STUDENTS, None, Endpoint::Known(Known::Study("simulate"))),
    route(POST, "/api/v1/can", OVERSIGHT, None, Endpoint::Known(Known::Study("can"))),
    route(POST, "/api/v1/graduate", STUDENTS, None, Endpoint::Known(Known::Study("graduate"))),
    route(GET, "/api/v1/removal/proposals", OVERSIGHT, None, Endpoint::Known(Known::Study("proposals"))),
    route(
        POST,
        "/api/v1/exceptions/{id}/removal/report",
        REMOVERS,
        Some("lifecycle"),
        Endpoint::Known(Known::Study("report")),
    ),
    route(
        POST,
        "/api/v1/exceptions/{id}/removal/trial",
        HOLDERS,
        Some("lifecycle"),
        Endpoint::Known(Known::Study("trial")),
    ),
    route(
        POST,
        "/api/v1/exceptions/{id}/removal/restore",
        HOLDERS,
        Some("lifecycle"),
        Endpoint::Known(Known::Study("restore")),
    ),
    route(
        POST,
        "/api/v1/pilots",
        Access::Duty(&[Duty::Request]),
        Some("pilot"),
        Endpoint::Known(Known::Pilot(PilotRoute::Submit)),
    ),
    route(GET, "/api/v1/pilots", Access::Person, None, Endpoint::Known(Known::Pilot(PilotRoute::List))),
    route(GET, "/api/v1/pilots/{id}", Access::Person, None, Endpoint::Known(Known::Pilot(PilotRoute::Show))),
    route(POST, "/api/v1/pilots/{id}/end", HOLDERS, Some("pilot"), Endpoint::Known(Known::Pilot(PilotRoute::End))),
    route(GET, "/api/v1/holds", Access::Person, None, Endpoint::Known(Known::Hold(HoldRoute::List))),
    route(GET, "/api/v1/holds/{id}", Access::Person, None, Endpoint::Known(Known::Hold(HoldRoute::Show))),
    route(
        POST,
        "/api/v1/holds/{id}/approve",
        ANSWERERS,
        Some("hold"),
        Endpoint::Known(Known::Hold(HoldRoute::Approve)),
    ),
    route(POST, "/api/v1/holds/{id}/deny", ANSWERERS, Some("hold"), Endpoint::Known(Known::Hold(HoldRoute::Deny))),
    route(GET, "/api/v1/catalog", Access::Person, None, Endpoint::Known(Known::Catalog)),
    route(POST, "/api/v1/catalog/approve", ADMINISTER, Some("catalog"), Endpoint::Known(Known::ApproveTools)),
    route(GET, "/api/v1/decisions", OVERSIGHT, None, Endpoint::Known(Known::Decisions)),
    route(GET, "/api/v1/decisions/{id}", OVERSIGHT, None, Endpoint::Known(Known::Explain)),
    route(GET, "/api/v1/controls", Access::Person, None, Endpoint::Known(Known::Controls)),
    route(GET, "/api/v1/exports", OVERSIGHT, None, Endpoint::Known(Known::Exports)),
    route(GET, "/api/v1/alerts", OVERSIGHT, None, Endpoint::Known(Known::Alerts(AlertRoute::List))),
    route(GET, "/api/v1/alerts/dead", OVERSIGHT, None, Endpoint::Known(Known::Alerts(AlertRoute::Dead))),
    route(
        POST,
        "/api/v1/alerts/retry",
        Access::Duty(&[Duty::Security, Duty::Administer]),
        Some("delivery"),
        Endpoint::Known(Known::Alerts(AlertRoute::Retry)),
    ),
    route(GET, "/api/v1/controls/history", Access::Person, None, Endpoint::Known(Known::ControlHistory)),
    route(GET, "/api/v1/reports/register", REPORTS, None, Endpoint::Known(Known::Register)),
    route(GET, "/api/v1/reports/sprawl", REPORTS, None, Endpoint::Known(Known::Sprawl)),
    route(
        POST,
        "/api/v1/freeze",
        Access::Duty(&[Duty::Security, Duty::Administer]),
        Some("freeze"),
        Endpoint::Known(Known::Freeze(FreezeRoute::Freeze)),
    ),
    route(POST, "/api/v1/unfreeze", ADMINISTER, Some("freeze"), Endpoint::Known(Known::Freeze(FreezeRoute::Unfreeze))),
    route(GET, "/api/v1/freezes", Access::Person, None, Endpoint::Known(Known::Freeze(FreezeRoute::List))),
    route(POST, "/api/v1/reload", ADMINISTER, Some("policy"), Endpoint::Known(Known::Reload)),
    route(
        POST,
        "/api/v1/console/links",
        Access::Duty(&[Duty::Own, Duty::Approve, Duty::Audit, Duty::Administer]),
        Some("key"),
        Endpoint::Known(Known::ConsoleLink),
    ),
    route(POST, "/api/v1/evidence/shred", ADMINISTER, Some("shred"), Endpoint::Known(Known::Shred)),
    route(GET, "/api/v1/evidence", AUDIT, None, Endpoint::Known(Known::Evidence)),
    route(GET, "/api/v1/evidence/checkpoint", AUDIT, None, Endpoint::Known(Known::Checkpoint)),
    route(POST, "/api/v1/evidence/rotate", ADMINISTER, Some("signing"), Endpoint::Known(Known::RotateKey)),
    route(POST, "/api/v1/evidence/prune", ADMINISTER, Some("retention"), Endpoint::Known(Known::Prune)),
    route(GET, "/log/checkpoint", Access::Person, None, Endpoint::Known(Known::LogCheckpoint)),
    route(GET, "/log/tile/entries/{*tile}", AUDIT, None, Endpoint::Known(Known::LogEntries)),
    route(GET, "/log/tile/{id}/{*tile}", Access::Person, None, Endpoint::Known(Known::LogTile)),
];
