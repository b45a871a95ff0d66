//! `postern hold`: calls that wait for a person's yes.

use clap::Subcommand;
use serde_json::json;

use super::{
    client::{Body, Client},
    exit::Failure,
    render::time,
    screen::Screen,
    table::{facts, printable, table},
};
use crate::{api::HoldView, domain::HoldId};

#[derive(Debug, Subcommand)]
pub(super) enum HoldCommand {
    /// List calls that wait, or were answered and not made yet
    List,
    /// One of them, with its arguments if you may answer
    Show {
        /// The hold, `hold_…`
        id: HoldId,
    },
    /// Say yes to this one call, exactly as it is shown
    Approve {
        /// The hold, `hold_…`
        id: HoldId,
        /// Why; it becomes part of the record
        #[arg(long)]
        reason: String,
    },
    /// Say no; the agent is told why
    Deny {
        /// The hold, `hold_…`
        id: HoldId,
        /// Why; it becomes part of the record, and the agent is told
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn holds(command: HoldCommand, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        HoldCommand::List => screen.show(&client.get::<Vec<HoldView>>("/api/v1/holds").await?, |v| list(v))?,
        HoldCommand::Show { id } => {
            screen.show(&client.get::<HoldView>(&format!("/api/v1/holds/{id}")).await?, show)?;
        }
        HoldCommand::Approve { id, reason } => answer(&id, "approve", reason, client, screen).await?,
        HoldCommand::Deny { id, reason } => answer(&id, "deny", reason, client, screen).await?,
    }
    Ok(())
}

async fn answer(
    id: &HoldId,
    word: &str,
    reason: String,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let body = Body::Json(json!({"reason": reason}));
    let view: HoldView = client.post(&format!("/api/v1/holds/{id}/{word}"), body).await?;
    let line = |view: &HoldView| {
        printable(&format!("{} is {}: {} calls {}", view.id, view.state, view.agent, view.tool)) + "\n"
    };
    Ok(screen.show(&view, line)?)
}

fn list(views: &[HoldView]) -> String {
    let row = |view: &HoldView| {
        let (agent, exception) = (view.agent.to_string(), view.exception.to_string());
        [view.id.to_string(), view.state.clone(), agent, view.tool.clone(), exception, time(view.expires)]
    };
    table(["hold", "state", "agent", "tool", "exception", "until"], &views.iter().map(row).collect::<Vec<_>>())
}

fn show(view: &HoldView) -> String {
    let hidden = || "not shown: you may not answer".to_owned();
    facts(&[
        ("hold", view.id.to_string()),
        ("state", view.state.clone()),
        ("answered by", view.answered_by.clone().unwrap_or_default()),
        ("agent", view.agent.to_string()),
        ("for", view.on_behalf_of.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("tool", view.tool.clone()),
        ("arguments", view.arguments.clone().unwrap_or_else(hidden)),
        ("exception", format!("{}, revision {}", view.exception, view.revision)),
        ("owner", view.owner.to_string()),
        ("rationale", view.rationale.clone()),
        ("bound to", view.action.to_string()),
        ("until", time(view.expires)),
        ("not you", view.not_you.clone().unwrap_or_default()),
    ])
}
