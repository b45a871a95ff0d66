//! Commands that ask the running gateway.

use std::{fs, io::Read as _, path::Path};

use http::Method;
use serde_json::{Value, json};

use super::{
    alerts, ask, changes,
    client::{Body, Client},
    command::{
        CatalogCommand, ControlsCommand, EventCommand, ExceptionCommand, Global, IncidentCommand, KeyCommand, Remote,
        Step,
    },
    exit::Failure,
    exports, freeze, hold,
    key::{self, KeySource},
    pilot, render,
    run::operator,
    screen::{Format, Screen},
    study,
    table::printable,
    tail,
};
use crate::{
    api::{
        CatalogView, ChangesView, ControlEvent, ControlView, ExceptionView, Explanation, HappeningView, KeyView,
        LinkView, MadeKey, ReloadView, WhoView,
    },
    domain::{Digest, Document, ExceptionId},
};

/// Bytes of a record.
const RECORD: u64 = 1 << 20;

pub(super) fn remote(command: Remote, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    // A faulty file is told before the gateway is asked.
    let record = match &command {
        Remote::Exception(command) => command.file().map(read_record).transpose()?,
        Remote::Pilot(command) => command.file().map(read_record).transpose()?,
        Remote::Key(_) | Remote::Catalog(_) | Remote::Explain { .. } | Remote::Controls { .. } | Remote::Freeze(_) => {
            None
        }
        Remote::Event(_)
        | Remote::Incident(_)
        | Remote::Unfreeze(_)
        | Remote::Hold(_)
        | Remote::Freezes
        | Remote::Reload
        | Remote::Console
        | Remote::Whoami => None,
        Remote::Tail(_) | Remote::Simulate(_) | Remote::Can(_) | Remote::Removal(_) | Remote::Graduate(_) => None,
        Remote::Alerts(_) | Remote::Exports => None,
    };
    let client = connect(global)?;
    runtime()?.block_on(ask(command, record, &client, screen))
}

/// A client of the gateway that the configuration or the command line names.
pub(super) fn connect(global: &Global) -> Result<Client, Failure> {
    let operator = operator(global)?;
    let scheme = if operator.tls { "https" } else { "http" };
    let url = global.url.clone().unwrap_or_else(|| format!("{scheme}://{}", operator.admin));
    let variable = std::env::var("POSTERN_KEY").ok();
    let key = key::read(KeySource { file: global.key_file.as_deref(), variable, data: &operator.data })?;
    Client::new(&url, key)
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Refused(format!("cannot start: {error}")))
}

async fn ask(
    command: Remote,
    record: Option<(String, String)>,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    match command {
        Remote::Exception(command) => exceptions(command, record, client, screen).await?,
        Remote::Pilot(command) => pilot::pilots(command, record, client, screen).await?,
        Remote::Key(command) => keys(command, client, screen).await?,
        Remote::Tail(arguments) => tail::tail(arguments, client, screen).await?,
        Remote::Simulate(arguments) => study::simulate(arguments, client, screen).await?,
        Remote::Can(arguments) => study::can(arguments, client, screen).await?,
        Remote::Removal(command) => study::removal(command, client, screen).await?,
        Remote::Graduate(arguments) => study::graduate(arguments, client, screen).await?,
        Remote::Catalog(command) => catalog(command, client, screen).await?,
        Remote::Explain { decision } => {
            let view: Explanation = client.get(&format!("/api/v1/decisions/{decision}")).await?;
            screen.show(&view, render::explanation)?;
        }
        Remote::Event(EventCommand::Report { event, reason }) => {
            let body = json!({"event": event, "reason": reason});
            let view: HappeningView = client.post("/api/v1/events", Body::Json(body)).await?;
            screen.show(&view, render::happening)?;
        }
        Remote::Incident(IncidentCommand::Close { incident, reason }) => {
            let path = format!("/api/v1/incidents/{}/close", encoded(&incident));
            let view: HappeningView = client.post(&path, Body::Json(json!({"reason": reason}))).await?;
            screen.show(&view, render::happening)?;
        }
        Remote::Exports => exports::exports(client, screen).await?,
        Remote::Alerts(command) => alerts::alerts(command, client, screen).await?,
        Remote::Controls { what: Some(ControlsCommand::History { id }) } => {
            let query = id.map(|id| format!("?id={}", encoded(&id))).unwrap_or_default();
            let events = client.get::<Vec<ControlEvent>>(&format!("/api/v1/controls/history{query}")).await?;
            screen.show(&events, |v| render::control_history(v))?;
        }
        Remote::Controls { what: None } => {
            screen.show(&client.get::<Vec<ControlView>>("/api/v1/controls").await?, |v| render::controls(v))?
        }
        Remote::Freeze(asked) => freeze::freeze(asked, true, client, screen).await?,
        Remote::Unfreeze(asked) => freeze::freeze(asked, false, client, screen).await?,
        Remote::Hold(command) => hold::holds(command, client, screen).await?,
        Remote::Freezes => freeze::list(client, screen).await?,
        Remote::Reload => {
            screen.show(&client.post::<ReloadView>("/api/v1/reload", Body::Nothing).await?, render::reload)?
        }
        Remote::Console => {
            let view: LinkView = client.post("/api/v1/console/links", Body::Nothing).await?;
            screen
                .show(&view, |view| format!("{}\nvalid for ten minutes, opens one session\n", printable(&view.url)))?;
        }
        Remote::Whoami => screen.show(&client.get::<WhoView>("/api/v1/whoami").await?, render::who)?,
    }
    Ok(())
}

async fn keys(command: KeyCommand, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        KeyCommand::Create { agent, person, days, note, addresses } => {
            let mut body = json!({"days": days, "note": note, "networks": addresses});
            if let Some(map) = body.as_object_mut() {
                let whose = agent.map(|id| ("agent", id)).or_else(|| person.map(|id| ("person", id)));
                map.extend(whose.map(|(kind, id)| (kind.to_owned(), Value::String(id))));
            }
            let made: MadeKey = client.post("/api/v1/keys", Body::Json(body)).await?;
            screen.show(&made, render::made_key)?;
        }
        KeyCommand::List => screen.show(&client.get::<Vec<KeyView>>("/api/v1/keys").await?, |v| render::keys(v))?,
        KeyCommand::Revoke { id } => {
            let () = client.send(Method::DELETE, &format!("/api/v1/keys/{id}"), Body::Nothing).await?;
            screen.show(&json!({"id": id, "revoked": true}), |_| format!("{id} is revoked\n"))?;
        }
    }
    Ok(())
}

async fn catalog(command: CatalogCommand, client: &Client, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        CatalogCommand::List => screen.show(&client.get::<CatalogView>("/api/v1/catalog").await?, render::catalog)?,
        CatalogCommand::Approve { server, tools, digest } => {
            let mut body = json!({"server": server, "tools": tools});
            if let (Some(map), Some(digest)) = (body.as_object_mut(), digest) {
                map.insert("digest".to_owned(), json!(digest));
            }
            let view: Value = client.post("/api/v1/catalog/approve", Body::Json(body)).await?;
            screen.show(&view, render::approved_tools)?;
        }
    }
    Ok(())
}

async fn exceptions(
    command: ExceptionCommand,
    record: Option<(String, String)>,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let view: ExceptionView = match command {
        ExceptionCommand::List => {
            let views: Vec<ExceptionView> = client.get("/api/v1/exceptions").await?;
            return Ok(screen.show(&views, |views| render::exceptions(views))?);
        }
        ExceptionCommand::Request(asked) => return ask::request(*asked, client, screen).await,
        ExceptionCommand::Show { id } => {
            let view: ExceptionView = client.get(&format!("/api/v1/exceptions/{id}")).await?;
            return Ok(screen.show(&view, render::exception)?);
        }
        ExceptionCommand::Submit { .. } => {
            let (file, text) = record.unwrap_or_default();
            let sent = client.post("/api/v1/exceptions", Body::Yaml(text)).await;
            sent.map_err(|failure| name_file(failure, &file))?
        }
        ExceptionCommand::Approve { id, digest } => approve(&id, digest, client, screen.format).await?,
        ExceptionCommand::Changes { id } => {
            let view: ChangesView = client.get(&format!("/api/v1/exceptions/{id}/changes")).await?;
            return Ok(screen.show(&view, changes::changes)?);
        }
        ExceptionCommand::Attest { id, reason } => {
            if screen.format == Format::Table {
                let view: ChangesView = client.get(&format!("/api/v1/exceptions/{id}/changes")).await?;
                screen.show(&view, changes::changes)?;
            }
            step(client, &id, "attest", reason.map_or_else(|| json!({}), |r| json!({"reason": r}))).await?
        }
        ExceptionCommand::Reject(at) => reasoned(client, "reject", at).await?,
        ExceptionCommand::Withdraw(at) => reasoned(client, "withdraw", at).await?,
        ExceptionCommand::Suspend(at) => reasoned(client, "suspend", at).await?,
        ExceptionCommand::Resume(at) => reasoned(client, "resume", at).await?,
        ExceptionCommand::Revoke(at) => reasoned(client, "revoke", at).await?,
        ExceptionCommand::Finish(at) => reasoned(client, "finish", at).await?,
        ExceptionCommand::Milestone { id, milestone, reason } => {
            step(client, &id, "milestone", json!({"milestone": milestone, "reason": reason})).await?
        }
        ExceptionCommand::Graduate(at) => reasoned(client, "graduate", at).await?,
        ExceptionCommand::Review(at) => reasoned(client, "review", at).await?,
    };
    Ok(screen.show(&view, render::exception_line)?)
}

/// Approves one digest: the one that was given, or that of the revision that is there now, which is printed.
async fn approve(
    id: &ExceptionId,
    digest: Option<Digest>,
    client: &Client,
    format: Format,
) -> Result<ExceptionView, Failure> {
    let digest = match digest {
        Some(digest) => digest,
        None => {
            let view: ExceptionView = client.get(&format!("/api/v1/exceptions/{id}")).await?;
            if format == Format::Table {
                eprintln!("approving revision {} of {id}, {}", view.revision, view.digest);
            }
            view.digest
        }
    };
    step(client, id, "approve", json!({"digest": digest})).await
}

/// One segment of a path.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

async fn reasoned(client: &Client, word: &str, at: Step) -> Result<ExceptionView, Failure> {
    step(client, &at.id, word, json!({"reason": at.reason})).await
}

async fn step(client: &Client, id: &ExceptionId, word: &str, body: Value) -> Result<ExceptionView, Failure> {
    client.post(&format!("/api/v1/exceptions/{id}/{word}"), Body::Json(body)).await
}

/// The record's file name and text, after it was read as YAML here.
pub(super) fn read_record(file: &Path) -> Result<(String, String), Failure> {
    let name = file.display().to_string();
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(RECORD).read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|open| open.take(RECORD).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::Input(format!("cannot read the record `{name}`: {error}")))?;
    Document::parse(&name, &text)?;
    Ok((name, text))
}

/// The gateway does not know the file's name; here it is put in.
pub(super) fn name_file(failure: Failure, file: &str) -> Failure {
    let Failure::Faulty(mut findings) = failure else { return failure };
    findings
        .0
        .iter_mut()
        .filter(|finding| finding.file.is_empty())
        .for_each(|finding| file.clone_into(&mut finding.file));
    Failure::Faulty(findings)
}
