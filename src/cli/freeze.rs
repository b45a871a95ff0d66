//! `postern freeze`, `unfreeze` and `freezes`: the kill switch.

use clap::Args;
use serde_json::{Value, json};

use super::{
    client::{Body, Client},
    exit::Failure,
    render::time,
    screen::Screen,
    table::table,
};
use crate::{
    api::FreezeView,
    domain::{ExceptionId, PilotId, ServerName},
};

/// What is frozen or released; without a scope it is everything.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("scope"))]
pub(super) struct Freeze {
    /// Only what this agent asks
    #[arg(long, group = "scope", value_name = "ID")]
    agent: Option<String>,
    /// Only what is asked of this tool server
    #[arg(long, group = "scope", value_name = "NAME")]
    server: Option<ServerName>,
    /// Only what exceptions of this pilot admit, `PI-…`
    #[arg(long, group = "scope", value_name = "ID")]
    pilot: Option<PilotId>,
    /// Only what this exception admits, `EX-…`
    #[arg(long, group = "scope", value_name = "ID")]
    exception: Option<ExceptionId>,
    /// Why; it becomes part of the record
    #[arg(long)]
    reason: String,
}

impl Freeze {
    fn body(&self) -> Value {
        let mut body = json!({"reason": self.reason});
        let scopes = [
            ("agent", self.agent.clone()),
            ("server", self.server.as_ref().map(ToString::to_string)),
            ("pilot", self.pilot.as_ref().map(ToString::to_string)),
            ("exception", self.exception.as_ref().map(ToString::to_string)),
        ];
        if let Value::Object(map) = &mut body {
            map.extend(scopes.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.into()))));
        }
        body
    }

    fn is_all(&self) -> bool {
        self.agent.is_none() && self.server.is_none() && self.pilot.is_none() && self.exception.is_none()
    }
}

pub(super) async fn freeze(asked: Freeze, on: bool, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let path = if on { "/api/v1/freeze" } else { "/api/v1/unfreeze" };
    let view: Value = client.post(path, Body::Json(asked.body())).await?;
    let what = match (on, asked.is_all()) {
        (true, true) => "frozen: every call is refused until `postern unfreeze`\n",
        (true, false) => "frozen: calls of this scope are refused until `postern unfreeze` with the same scope\n",
        (false, _) => "no longer frozen\n",
    };
    Ok(screen.show(&view, |_| what.to_owned())?)
}

/// What is frozen, with who did it and why.
pub(super) async fn list(client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let views: Vec<FreezeView> = client.get("/api/v1/freezes").await?;
    let shown = screen.show(&views, |views| {
        let row = |view: &FreezeView| {
            let FreezeView { scope, frozen } = view;
            [scope.to_string(), time(frozen.since), frozen.by.clone(), frozen.reason.clone()]
        };
        let rows: Vec<_> = views.iter().map(row).collect();
        if rows.is_empty() { "nothing is frozen\n".to_owned() } else { table(["frozen", "since", "by", "why"], &rows) }
    });
    Ok(shown?)
}
