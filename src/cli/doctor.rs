//! `doctor`: what is in force, and every deviation from the safe defaults.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use serde::{Serialize, Serializer};

use super::{
    exit::Failure,
    screen::Screen,
    table::{facts, printable, table},
};
use crate::config::{Denials, Durability, Jwks, Settings, Transport, Trust};

/// What the doctor found.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(serialize_with = "as_map")]
    in_force: Vec<(String, String)>,
    servers: Vec<Server>,
    deviations: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Server {
    name: String,
    transport: &'static str,
    place: String,
    timeout_s: u64,
    trust: Trust,
}

fn as_map<S: Serializer>(pairs: &[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(name, value)| (name.replace(' ', "_"), value)))
}

pub(super) fn doctor(settings: &Settings, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let report = Report { in_force: in_force(settings), servers: servers(settings), deviations: deviations(settings) };
    Ok(screen.show(&report, say)?)
}

fn in_force(settings: &Settings) -> Vec<(String, String)> {
    let listen = &settings.listen;
    let issuers: Vec<String> = settings
        .identity
        .issuers
        .iter()
        .map(|issuer| {
            let keys = match &issuer.jwks {
                Jwks::Url(url) => url.clone(),
                Jwks::File(file) => file.display().to_string(),
            };
            format!("{} for {} (keys: {keys}; {:?})", issuer.issuer, issuer.audience, issuer.algorithms)
        })
        .collect();
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let file = settings.file.as_ref().map_or_else(|| "none; defaults".to_owned(), |file| file.display().to_string());
    [
        ("configuration", file),
        ("agents", format!("{}/mcp", listen.public_url(listen.agents))),
        ("administration", listen.admin.to_string()),
        ("hosts", listen.accepted_hosts(listen.agents).into_iter().collect::<Vec<_>>().join(", ")),
        ("origins", or_none(listen.origins.join(", "))),
        ("tls", if listen.tls.is_some() { "on".to_owned() } else { "off".to_owned() }),
        ("data", settings.data.display().to_string()),
        ("policies", settings.policies.display().to_string()),
        (
            "durability",
            format!("{:?}, commit within {} ms", settings.store.durability, settings.store.commit_timeout.as_millis())
                .to_lowercase(),
        ),
        ("token issuers", or_none(issuers.join("; "))),
        ("traces", or_none(settings.telemetry.otlp.clone().unwrap_or_default())),
        ("sampling", format!("{}; exceptions and denials always", settings.telemetry.sample_ratio)),
        ("trace probe", or_none(settings.telemetry.probe.as_ref().map(|p| p.url.clone()).unwrap_or_default())),
        ("trace lease", format!("{} ms", settings.telemetry.lease.as_millis())),
        ("checkpoints", or_none(checkpoints(settings).join("; "))),
        ("rate", format!("{}/s, burst {}", settings.limits.rate_per_second, settings.limits.burst)),
        ("call timeout", format!("{} s", settings.limits.call_timeout.as_secs())),
        (
            "denials",
            match settings.denials {
                Denials::ToolResult => "tool result".to_owned(),
                Denials::ProtocolError => "protocol error".to_owned(),
            },
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Where checkpoints go, and who witnesses them.
fn checkpoints(settings: &Settings) -> Vec<String> {
    let evidence = &settings.evidence;
    let mut to: Vec<String> =
        settings.store.checkpoint_copies.iter().map(|copy| format!("copied to {}", copy.display())).collect();
    to.extend(evidence.checkpoints.webhook.as_ref().map(|webhook| format!("sent to {}", webhook.url)));
    to.extend(evidence.checkpoints.otlp.as_ref().map(|otlp| format!("logged to {otlp}")));
    to.extend(evidence.witnesses.as_ref().map(|witnesses| {
        let members: Vec<&str> = witnesses.members.keys().map(String::as_str).collect();
        format!("cosigned by {} of {}", witnesses.quorum, members.join(", "))
    }));
    to
}

fn servers(settings: &Settings) -> Vec<Server> {
    let server = |(name, server): (&crate::domain::ServerName, &crate::config::ServerSettings)| {
        let (transport, place) = match &server.transport {
            Transport::Stdio { command, args, .. } => ("stdio", format!("{} {}", command.display(), args.join(" "))),
            Transport::Http { url, .. } => ("http", url.clone()),
            Transport::OpenApi(api) => ("openapi", api.url.clone().unwrap_or_else(|| api.document.to_string())),
        };
        let place = place.trim_end().to_owned();
        Server { name: name.to_string(), transport, place, timeout_s: server.timeout.as_secs(), trust: server.trust }
    };
    settings.servers.iter().map(server).collect()
}

fn deviations(settings: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    let listen = &settings.listen;
    for (name, address) in [("agents", listen.agents), ("admin", listen.admin)] {
        if !address.ip().is_loopback() {
            found.push(format!("listen.{name} is reachable from other machines ({address})"));
        }
    }
    if listen.insecure_plaintext {
        found.push("listen.insecure_plaintext is on: keys and arguments travel in plaintext".to_owned());
    }
    if !listen.origins.is_empty() {
        found.push(format!("listen.origins lets pages of {} call tools", listen.origins.join(", ")));
    }
    if !settings.exceptions.approval.is_demanded() {
        found.push("exceptions.approval_amr is empty: a key, or a token without a second factor, approves".to_owned());
    }
    if settings.telemetry.otlp.is_none() {
        found.push("telemetry.otlp is not set: exceptions that demand `trace.full` are refused".to_owned());
    } else if settings.telemetry.probe.is_none() {
        found.push(
            "telemetry.probe is not set: `trace.full` knows what the collector took, not what a backend has".to_owned(),
        );
    }
    if settings.store.checkpoint_copies.is_empty() {
        found.push(
            "store.checkpoint_copies is empty: an old copy of the store that is put back cannot be told".to_owned(),
        );
    }
    if checkpoints(settings).is_empty() {
        found.push("no checkpoint leaves the machine: whoever has the machine can write the journal anew".to_owned());
    }
    if settings.store.durability == Durability::Exceptions {
        found.push("store.durability is exceptions: calls that a role allows do not wait for their records".to_owned());
    }
    for (name, server) in &settings.servers {
        if server.trust == Trust::FirstUse {
            found.push(format!("servers.{name}.trust is first_use: what it offers first is approved unread"));
        }
        if server.allow_private {
            found.push(format!("servers.{name}.allow_private is on: it may be on a private address"));
        }
        if let Transport::OpenApi(api) = &server.transport {
            found.extend(api.left_out.0.iter().map(|finding| format!("servers.{name}: {finding}")));
        }
        if let Transport::Stdio { pass_env, .. } = &server.transport
            && let more = pass_env.iter().filter(|name| *name != "PATH").cloned().collect::<Vec<_>>()
            && !more.is_empty()
        {
            found.push(format!("servers.{name} gets {} of the gateway's environment", more.join(", ")));
        }
    }
    if rustix::process::geteuid().is_root() {
        found.push("this runs as root: tool servers on stdio will too".to_owned());
    }
    for path in [settings.data.clone(), settings.data.join("admin.key"), settings.data.join("postern.db")] {
        found.extend(open_to_others(&path));
    }
    found
}

fn open_to_others(path: &Path) -> Option<String> {
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("{} can be read by others (mode {mode:03o})", path.display()))
}

fn say(report: &Report) -> String {
    let lines: Vec<(&str, String)> =
        report.in_force.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let mut out = facts(&lines);
    out.push('\n');
    let rows: Vec<_> = report.servers.iter().map(row).collect();
    out.push_str(&table(["server", "transport", "place", "timeout", "trust"], &rows));
    out.push('\n');
    if report.deviations.is_empty() {
        out.push_str("no deviation from the safe defaults\n");
    }
    for deviation in &report.deviations {
        out.push_str(&format!("deviation: {}\n", printable(deviation)));
    }
    out
}

fn row(server: &Server) -> [String; 5] {
    let trust = match server.trust {
        Trust::Pinned => "pinned",
        Trust::FirstUse => "first use",
    };
    let timeout = format!("{} s", server.timeout_s);
    [server.name.clone(), server.transport.to_owned(), server.place.clone(), timeout, trust.to_owned()]
}
