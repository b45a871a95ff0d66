//! `postern exports`: where records go, and how far each destination has got.

use super::{client::Client, exit::Failure, screen::Screen, table::table};
use crate::api::ExportView;

pub(super) async fn exports(client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    Ok(screen.show(&client.get::<Vec<ExportView>>("/api/v1/exports").await?, |views| exported(views))?)
}

fn exported(views: &[ExportView]) -> String {
    let row = |view: &ExportView| {
        [
            view.name.clone(),
            view.to.clone(),
            if view.healthy { "yes" } else { "no" }.to_owned(),
            view.acknowledged.to_string(),
            format!("{} ({} s)", view.lag_records, view.lag_seconds),
            view.trouble.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = views.iter().map(row).collect();
    table(["export", "to", "healthy", "record", "behind", "trouble"], &rows)
}
