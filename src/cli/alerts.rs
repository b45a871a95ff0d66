//! `postern alerts`: webhooks, dead letters, and sending them again.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    client::{Body, Client},
    exit::Failure,
    render::time,
    screen::Screen,
    table::table,
};
use crate::api::{DeadView, WebhookView};

#[derive(Debug, Subcommand)]
pub(super) enum AlertsCommand {
    /// List the webhooks: how far each has got, and what goes wrong
    List,
    /// List the events that a webhook refused for good
    Dead,
    /// Send dead letters again; it becomes part of the record
    Retry {
        /// The webhook
        webhook: String,
        /// The event [default: all of the webhook]
        id: Option<String>,
    },
}

pub(super) async fn alerts(command: AlertsCommand, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        AlertsCommand::List => {
            screen.show(&client.get::<Vec<WebhookView>>("/api/v1/alerts").await?, |v| webhooks(v))?
        }
        AlertsCommand::Dead => screen.show(&client.get::<Vec<DeadView>>("/api/v1/alerts/dead").await?, |v| dead(v))?,
        AlertsCommand::Retry { webhook, id } => {
            let body = Body::Json(json!({"webhook": webhook, "id": id}));
            let view: Value = client.post("/api/v1/alerts/retry", body).await?;
            screen.show(&view, |view| {
                format!("{} sent again; `postern alerts dead` shows what is left\n", view["again"])
            })?;
        }
    }
    Ok(())
}

fn webhooks(views: &[WebhookView]) -> String {
    let row = |view: &WebhookView| {
        [
            view.name.clone(),
            if view.healthy { "yes" } else { "no" }.to_owned(),
            view.acknowledged.to_string(),
            format!("{} ({} s)", view.lag_records, view.lag_seconds),
            view.dead.to_string(),
            view.trouble.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = views.iter().map(row).collect();
    table(["webhook", "healthy", "record", "behind", "dead", "trouble"], &rows)
}

fn dead(views: &[DeadView]) -> String {
    let row = |view: &DeadView| {
        [
            view.webhook.clone(),
            view.id.clone(),
            view.alert.clone(),
            view.exception.as_ref().map(ToString::to_string).unwrap_or_default(),
            time(view.at),
            view.attempts.to_string(),
            view.detail.clone(),
        ]
    };
    let rows: Vec<_> = views.iter().map(row).collect();
    table(["webhook", "event", "alert", "exception", "at", "attempts", "detail"], &rows)
}
