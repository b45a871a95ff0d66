//! `postern pilot`: submit, list, show and end named sets of exceptions.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{
    client::{Body, Client},
    exit::Failure,
    remote::name_file,
    render::time,
    screen::Screen,
    table::{facts, printable, table},
};
use crate::{
    api::{PilotException, PilotView},
    domain::PilotId,
};

#[derive(Debug, Subcommand)]
pub(super) enum PilotCommand {
    /// Submit a pilot (YAML or JSON); you become its requester
    Submit {
        /// The file; `-` reads standard input
        file: PathBuf,
    },
    /// List pilots
    List,
    /// One pilot: its exceptions with what is used, due and left, and when it is done
    Show {
        /// The pilot, `PI-…`
        id: PilotId,
    },
    /// End it for good, and revoke all of its live exceptions in the same act
    End {
        /// The pilot, `PI-…`
        id: PilotId,
        /// Why; it becomes part of the record
        #[arg(long)]
        reason: String,
    },
}

impl PilotCommand {
    /// The file that it sends.
    pub(super) fn file(&self) -> Option<&Path> {
        if let Self::Submit { file } = self { Some(file) } else { None }
    }
}

pub(super) async fn pilots(
    command: PilotCommand,
    record: Option<(String, String)>,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    match command {
        PilotCommand::Submit { .. } => {
            let (file, text) = record.unwrap_or_default();
            let sent = client.post::<PilotView>("/api/v1/pilots", Body::Yaml(text)).await;
            screen.show(&sent.map_err(|failure| name_file(failure, &file))?, line)?;
        }
        PilotCommand::List => screen.show(&client.get::<Vec<PilotView>>("/api/v1/pilots").await?, |v| list(v))?,
        PilotCommand::Show { id } => {
            screen.show(&client.get::<PilotView>(&format!("/api/v1/pilots/{id}")).await?, pilot)?;
        }
        PilotCommand::End { id, reason } => {
            let body = Body::Json(json!({"reason": reason}));
            screen.show(&client.post::<PilotView>(&format!("/api/v1/pilots/{id}/end"), body).await?, line)?;
        }
    }
    Ok(())
}

/// One line after something was done with a pilot.
pub(super) fn line(view: &PilotView) -> String {
    let revoked: Vec<_> = view.revoked.iter().map(ToString::to_string).collect();
    let revoked = if revoked.is_empty() { String::new() } else { format!(", revoked with it: {}", revoked.join(", ")) };
    printable(&format!("{} is {}, revision {}, {}{revoked}", view.id, view.state, view.revision, view.digest)) + "\n"
}

pub(super) fn list(views: &[PilotView]) -> String {
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            [
                view.id.to_string(),
                view.state.clone(),
                view.owner.to_string(),
                view.live.to_string(),
                view.used.to_string(),
                view.days_left.map(|days| days.to_string()).unwrap_or_default(),
                view.target_role.to_string(),
                view.title.clone(),
            ]
        })
        .collect();
    table(["pilot", "state", "owner", "live", "used", "days left", "target role", "title"], &rows)
}

pub(super) fn pilot(view: &PilotView) -> String {
    let cohort: Vec<_> = view.cohort.iter().map(ToString::to_string).collect();
    let left = view.days_left.map(|days| format!(", {days} days left")).unwrap_or_default();
    let ended = view.ended_by.as_ref().map(|by| format!("{by}: {}", view.ended_why.as_deref().unwrap_or_default()));
    let mut out = facts(&[
        ("pilot", format!("{}, {}", view.id, view.title)),
        ("state", view.state.clone()),
        ("ended by", ended.unwrap_or_default()),
        ("owner", view.owner.to_string()),
        ("backup", view.backup.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("requester", view.requester.to_string()),
        ("cohort", cohort.join(", ")),
        ("from", time(view.not_before)),
        ("until", format!("{}{left}", time(view.not_after))),
        ("target role", view.target_role.to_string()),
        ("done when", view.criteria.clone()),
        ("revision", format!("{}, {}", view.revision, view.digest)),
        ("used", format!("{} calls; {} live exceptions may make {}", view.used, view.live, view.calls)),
        ("attestation", view.attestation_due.map(|at| format!("due {}", time(at))).unwrap_or_default()),
    ]);
    for (name, due) in &view.milestones {
        out.push_str(&printable(&format!("milestone: {name}, by {due}")));
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&exceptions(view.exceptions.as_deref().unwrap_or_default()));
    out
}

fn exceptions(all: &[PilotException]) -> String {
    let rows: Vec<_> = all
        .iter()
        .map(|one| {
            let state = one.reason.as_ref().map_or_else(|| one.state.clone(), |why| format!("{} ({why})", one.state));
            [
                one.id.to_string(),
                state,
                format!("{}: {}", one.server, one.tools.join(", ")),
                format!("{}/{}", one.used, one.calls),
                one.attestation_due.map(time).unwrap_or_default(),
                one.days_left.map(|days| days.to_string()).unwrap_or_default(),
            ]
        })
        .collect();
    table(["exception", "state", "tools", "used", "attestation due", "days left"], &rows)
}
