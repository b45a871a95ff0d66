//! Tool servers of `postern.yaml`: names, commands, URLs and their secrets.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{
    check::{Ground, host_is_loopback, web_url},
    form::{HttpForm, ServerForm, StdioForm},
    openapi,
    say::escape,
    settings::{ServerSettings, Transport},
    value::{ConfiguredValue, configured},
};
use crate::domain::{Findings, ServerName};

/// Headers that the gateway sets itself.
const OWN_HEADERS: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
    "transfer-encoding",
];

pub(super) fn check(
    forms: &BTreeMap<String, ServerForm>,
    call_timeout: Duration,
    ground: &Ground<'_>,
    findings: &mut Findings,
) -> BTreeMap<ServerName, ServerSettings> {
    let mut servers = BTreeMap::new();
    for (key, form) in forms {
        let path = format!("/servers/{}", escape(key));
        let name = key.parse::<ServerName>();
        if let Err(error) = &name {
            ground.find(findings, &path, error.to_string());
        }
        let transport = match (&form.stdio, &form.http, &form.openapi) {
            (Some(stdio), None, None) => Some(self::stdio(stdio, &format!("{path}/stdio"), ground, findings)),
            (None, Some(http), None) => Some(self::http(http, form.allow_private, &path, (ground, &mut *findings))),
            (None, None, Some(api)) => {
                let allow_private = form.allow_private;
                Some(openapi::check(api, (key, allow_private), &format!("{path}/openapi"), ground, findings))
            }
            _ => {
                ground.find(findings, &path, "give exactly one of `stdio`, `http` and `openapi`");
                None
            }
        };
        if let (Ok(name), Some(transport)) = (name, transport) {
            let timeout = form.timeout_s.map_or(call_timeout, Duration::from_secs);
            let settings = ServerSettings { transport, timeout, trust: form.trust, allow_private: form.allow_private };
            servers.insert(name, settings);
        }
    }
    servers
}

fn stdio(form: &StdioForm, path: &str, ground: &Ground<'_>, findings: &mut Findings) -> Transport {
    let command = program(&form.command, ground).unwrap_or_else(|message| {
        ground.find(findings, &format!("{path}/command"), message);
        PathBuf::new()
    });
    let cwd = form.cwd.as_ref().map(|folder| ground.path(folder));
    if let Some(folder) = &cwd
        && !folder.is_dir()
    {
        let message = format!("`{}` is not a folder; create it or correct the path", folder.display());
        ground.find(findings, &format!("{path}/cwd"), message);
    }
    let named = form.env.keys().map(|name| (name, "env")).chain(form.pass_env.iter().map(|name| (name, "pass_env")));
    for (name, key) in named {
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            ground.find(
                findings,
                &format!("{path}/{key}"),
                format!("`{}` is not the name of a variable", name.escape_debug()),
            );
        }
    }
    let env = values(&form.env, &format!("{path}/env"), ground, findings);
    Transport::Stdio { command, args: form.args.clone(), env, pass_env: form.pass_env.clone(), cwd }
}

/// A command with a slash is a path from the file's folder; one without is looked for in `PATH`.
fn program(command: &str, ground: &Ground<'_>) -> Result<PathBuf, String> {
    if command.contains('/') {
        let path = ground.path(command);
        if is_program(&path) {
            return Ok(path);
        }
        return Err(format!("`{}` is not a program that may be run; correct the path or its mode", path.display()));
    }
    let search = (ground.environment)("PATH").unwrap_or_default();
    std::env::split_paths(&search)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(command))
        .find(|path| is_program(path))
        .ok_or_else(|| format!("`{command}` is not in PATH; install it or write its full path"))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

fn http(
    form: &HttpForm,
    allow_private: bool,
    path: &str,
    (ground, findings): (&Ground<'_>, &mut Findings),
) -> Transport {
    place(&form.url, allow_private, &format!("{path}/http/url"), (ground, &mut *findings));
    let headers = headers(&form.headers, &format!("{path}/http/headers"), ground, findings);
    Transport::Http { url: form.url.clone(), headers }
}

/// A URL that a tool server or an API is at.
pub(super) fn place(url: &str, allow_private: bool, at: &str, (ground, findings): (&Ground<'_>, &mut Findings)) {
    match web_url(url) {
        Err(message) => ground.find(findings, at, message),
        Ok(_) if host_is_loopback(url) && !allow_private => {
            ground.find(findings, at, "a server on loopback needs `allow_private: true`");
        }
        Ok(_) => {}
    }
}

/// Headers of every request, their names in lower case.
pub(super) fn headers(
    forms: &BTreeMap<String, Value>,
    path: &str,
    ground: &Ground<'_>,
    findings: &mut Findings,
) -> BTreeMap<String, ConfiguredValue> {
    for name in forms.keys() {
        let at = format!("{path}/{}", escape(name));
        if name.parse::<http::HeaderName>().is_err() {
            ground.find(findings, &at, "not the name of a header");
        } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            ground.find(findings, &at, "the gateway sets this header itself; remove it");
        }
    }
    let headers = values(forms, path, ground, findings);
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

pub(super) fn values(
    forms: &BTreeMap<String, Value>,
    path: &str,
    ground: &Ground<'_>,
    findings: &mut Findings,
) -> BTreeMap<String, ConfiguredValue> {
    let mut values = BTreeMap::new();
    for (name, form) in forms {
        match configured(name, form, ground.base, ground.environment) {
            Ok(value) => {
                values.insert(name.clone(), value);
            }
            Err(message) => ground.find(findings, &format!("{path}/{}", escape(name)), message),
        }
    }
    values
}
