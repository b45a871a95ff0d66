//! `postern evidence shred`: destroys keys, so that what was captured under them is gone.

use clap::Args;
use serde_json::json;

use super::{
    client::Body,
    command::Global,
    exit::Failure,
    remote::{connect, runtime},
    screen::Screen,
};
use crate::{api::ShredView, domain::ExceptionId};

/// What is shredded.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("captured").required(true))]
pub(super) struct ShredArguments {
    /// What was captured before this day (UTC), such as 2026-11-24
    #[arg(long, group = "captured", value_name = "DATE")]
    before: Option<chrono::NaiveDate>,
    /// What was captured under this exception, `EX-…`
    #[arg(long, group = "captured", value_name = "ID")]
    exception: Option<ExceptionId>,
    /// Why; it becomes part of the record
    #[arg(long)]
    reason: String,
}

pub(super) fn shred(asked: &ShredArguments, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let client = connect(global)?;
    // What is not given is left out.
    let body = match (asked.before, &asked.exception) {
        (Some(day), _) => json!({"reason": asked.reason, "before": day}),
        (None, exception) => json!({"reason": asked.reason, "exception": exception}),
    };
    let view: ShredView = runtime()?.block_on(client.post("/api/v1/evidence/shred", Body::Json(body)))?;
    Ok(screen.show(&view, |view| {
        format!(
            "{} keys are destroyed; what they sealed opens nowhere, unless a copy of the folder `seal` was kept\n",
            view.keys.len()
        )
    })?)
}
