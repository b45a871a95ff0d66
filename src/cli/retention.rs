//! `postern evidence prune`: asks the running gateway to remove records of traffic whose time is over.

use serde_json::json;

use super::{client::Body, command::Global, exit::Failure, remote, screen::Screen, table::facts};
use crate::api::RetentionView;

/// Turns that are asked for, one after the other; each removes a bounded number of records.
const TURNS: usize = 10_000;

pub(super) fn prune(dry_run: bool, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let client = remote::connect(global)?;
    let view = remote::runtime()?.block_on(async {
        let mut removed = 0;
        for _ in 0..TURNS {
            let body = Body::Json(json!({"dry_run": dry_run}));
            let view: RetentionView = client.post("/api/v1/evidence/prune", body).await?;
            removed += view.removed;
            if !view.more || dry_run {
                return Ok::<_, Failure>(RetentionView { removed, ..view });
            }
        }
        Err(Failure::Refused(format!("{removed} records were removed, and there are more; ask again")))
    })?;
    Ok(screen.show(&view, say)?)
}

fn say(view: &RetentionView) -> String {
    let more = if view.more { " or more" } else { "" };
    let what = if view.dry_run { "would be removed" } else { "removed" };
    let log = if view.scrubbed { "free of them" } else { "a reader is in the way; it is emptied as soon as that ends" };
    facts(&[
        (what, format!("{}{more} records of traffic older than {} days", view.removed, view.days)),
        ("through", format!("record {}", view.through)),
        ("held back by", view.held.clone().unwrap_or_default()),
        ("log of the database", log.to_owned()),
    ])
}
