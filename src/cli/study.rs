//! `simulate`, `can`, `removal` and `graduate`: what they send, and how their answers read.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::{Body, Client},
    exit::Failure,
    remote::read_record,
    screen::Screen,
    study_text as text,
    table::printable,
};
use crate::{
    analysis::{Graduated, RemovalReport, Replayed},
    api::{CanView, ExceptionView},
    app::Proposal,
    config::read_policies,
    domain::{ExceptionId, RoleName},
};

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(super) struct SimulateArguments {
    /// A folder of policies that is to be tried instead of those in force
    #[arg(long, value_name = "DIR", group = "change")]
    policies: Option<PathBuf>,
    /// A record of an exception that is to be tried as if it were approved; `-` reads standard input
    #[arg(long, value_name = "FILE", group = "change")]
    exception: Option<PathBuf>,
    /// An exception that is to be left out
    #[arg(long, value_name = "ID", group = "change")]
    without: Option<ExceptionId>,
    /// Days to look back
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
}

#[derive(Debug, Args)]
pub(super) struct CanArguments {
    /// The agent
    #[arg(long, value_name = "ID")]
    agent: String,
    /// The person that it acts for
    #[arg(long = "for", value_name = "PERSON")]
    person: Option<String>,
    /// A role that its token would assert; may be given again
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The tool: the name that agents see, or `server/tool`
    tool: String,
    /// The arguments as JSON; without them the answer holds whatever they are
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RemovalCommand {
    /// What would break without an exception; kept as its removal test, unless --policies tries other policies
    Report {
        /// The exception, `EX-…`
        id: ExceptionId,
        /// A folder of policies that is to take over
        #[arg(long, value_name = "DIR")]
        policies: Option<PathBuf>,
        /// Days to look back
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
        days: u32,
    },
    /// Take it from a part of its agents for a while; they get it back at the end by themselves
    Trial {
        /// The exception, `EX-…`
        id: ExceptionId,
        /// Part of its agents, in per cent
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
        /// For how long
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: u32,
        /// Why; it becomes part of the record
        #[arg(long, default_value = "trial of its removal")]
        reason: String,
    },
    /// End a trial before its time
    Restore {
        /// The exception, `EX-…`
        id: ExceptionId,
        /// Why; it becomes part of the record
        #[arg(long)]
        reason: String,
    },
    /// Exceptions that look unneeded: unused, or nothing broke without them
    Proposals {
        /// Days without use
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
        days: u32,
    },
}

#[derive(Debug, Args)]
pub(super) struct GraduateArguments {
    /// An exception `EX-…`, or a pilot `PI-…`
    id: String,
    /// The role that is to take over
    #[arg(long)]
    role: String,
    /// Days to look back
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
    /// Fail unless a solver proves for every agent of the cohort that nothing is gained beyond the exceptions
    #[arg(long)]
    require_proofs: bool,
}

pub(super) async fn simulate(
    arguments: SimulateArguments,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let SimulateArguments { policies, exception, without, days } = arguments;
    let mut body = json!({"days": days, "policies": policies.map(folder).transpose()?, "without": without});
    if let (Some(file), Some(map)) = (exception, body.as_object_mut()) {
        map.insert("exception".to_owned(), Value::String(read_record(&file)?.1));
    }
    let view: Replayed = client.post("/api/v1/simulate", Body::Json(body)).await?;
    Ok(screen.show(&view, text::replayed)?)
}

pub(super) async fn can(arguments: CanArguments, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let CanArguments { agent, person, roles, tool, args } = arguments;
    let parse = |text: String| -> Result<Value, Failure> {
        let value: Value =
            serde_json::from_str(&text).map_err(|error| Failure::Input(format!("--args is no JSON: {error}")))?;
        if value.is_object() { Ok(value) } else { Err(Failure::Input("--args must be a JSON object".to_owned())) }
    };
    let arguments = args.map(parse).transpose()?;
    let body = json!({"agent": agent, "for": person, "roles": roles, "tool": tool, "arguments": arguments});
    let view: CanView = client.post("/api/v1/can", Body::Json(body)).await?;
    Ok(screen.show(&view, text::can)?)
}

pub(super) async fn removal(command: RemovalCommand, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        RemovalCommand::Report { id, policies, days } => {
            let body = json!({"days": days, "policies": policies.map(folder).transpose()?});
            let view: RemovalReport =
                client.post(&format!("/api/v1/exceptions/{id}/removal/report"), Body::Json(body)).await?;
            screen.show(&view, text::report)?;
        }
        RemovalCommand::Trial { id, percent, minutes, reason } => {
            let body = json!({"percent": percent, "minutes": minutes, "reason": reason});
            let view: ExceptionView =
                client.post(&format!("/api/v1/exceptions/{id}/removal/trial"), Body::Json(body)).await?;
            screen.show(&view, text::trial)?;
        }
        RemovalCommand::Restore { id, reason } => {
            let body = json!({"reason": reason});
            let view: ExceptionView =
                client.post(&format!("/api/v1/exceptions/{id}/removal/restore"), Body::Json(body)).await?;
            screen.show(&view, |view| printable(&format!("{}: its agents have it again", view.id)) + "\n")?;
        }
        RemovalCommand::Proposals { days } => {
            let view: Vec<Proposal> = client.get(&format!("/api/v1/removal/proposals?days={days}")).await?;
            screen.show(&view, |view| text::proposals(view))?;
        }
    }
    Ok(())
}

pub(super) async fn graduate(
    arguments: GraduateArguments,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let GraduateArguments { id, role, days, require_proofs } = arguments;
    let key = if id.starts_with("PI-") { "pilot" } else { "exception" };
    let body = json!({key: id, "role": RoleName::from(role.as_str()), "days": days});
    let view: Graduated = client.post("/api/v1/graduate", Body::Json(body)).await?;
    screen.show(&view, text::graduated)?;
    if require_proofs && !view.gain.as_ref().is_some_and(|gain| gain.proven) {
        let why = view.gain.map_or("nothing was used, so there is no role".to_owned(), |gain| gain.solver);
        return Err(Failure::Refused(format!("it is not proven that nothing is gained beyond the exceptions ({why})")));
    }
    Ok(())
}

/// The files of a policies folder, path to text.
fn folder(folder: PathBuf) -> Result<BTreeMap<String, String>, Failure> {
    if !folder.is_dir() {
        return Err(Failure::Input(format!("`{}` is not a folder", folder.display())));
    }
    Ok(read_policies(&folder)?.policies.into_iter().map(|file| (file.path, file.text)).collect())
}
