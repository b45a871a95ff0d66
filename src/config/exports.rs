//! `exports` of postern.yaml: destinations that get every record as an OCSF event.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use serde_json::json;

use super::{
    check::{Ground, host_is_loopback, web_url},
    say::escape,
    value::{ConfiguredValue, configured},
};
use crate::domain::{Findings, Secret};

/// Bytes of a megabyte, as `max_mb` counts.
const MEGABYTE: u64 = 1_000_000;

#[derive(Debug, Deserialize)]
pub(super) struct ExportForm {
    file: Option<FileForm>,
    syslog: Option<SyslogForm>,
    http: Option<HttpForm>,
    #[serde(default)]
    begin: Begin,
}

#[derive(Debug, Deserialize)]
struct FileForm {
    path: String,
    max_mb: Option<u64>,
    keep: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct SyslogForm {
    address: String,
}

#[derive(Debug, Deserialize)]
struct HttpForm {
    url: String,
    bearer_file: Option<String>,
    bearer_env: Option<String>,
    #[serde(default)]
    allow_private: bool,
}

/// Where a new destination begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// With the first record of the journal.
    #[default]
    First,
    /// With what is written from then on.
    Now,
}

/// One destination.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// Where it is.
    pub to: ExportTo,
    /// Where it begins, the first time.
    pub begin: Begin,
}

/// Where events go.
#[derive(Debug, Clone)]
pub enum ExportTo {
    /// JSON lines in a file.
    File {
        /// The file.
        path: PathBuf,
        /// Bytes at which it rotates.
        most: u64,
        /// Rotated files that stay.
        keep: u32,
    },
    /// RFC 5424 over TCP.
    Syslog {
        /// `host:port`.
        address: String,
    },
    /// JSON lines by `POST`.
    Http {
        /// Where to.
        url: String,
        /// The bearer token.
        bearer: Option<Secret<String>>,
        /// Whether it may be on a private or loopback address.
        allow_private: bool,
    },
}

pub(super) fn check(
    forms: &BTreeMap<String, ExportForm>,
    ground: &Ground<'_>,
    findings: &mut Findings,
) -> BTreeMap<String, ExportSettings> {
    let mut exports = BTreeMap::new();
    for (name, form) in forms {
        let path = format!("/exports/{}", escape(name));
        if let Some(to) = destination(form, &path, (ground, &mut *findings)) {
            exports.insert(name.clone(), ExportSettings { to, begin: form.begin });
        }
    }
    exports
}

fn destination(form: &ExportForm, path: &str, (ground, findings): (&Ground<'_>, &mut Findings)) -> Option<ExportTo> {
    match (&form.file, &form.syslog, &form.http) {
        (Some(file), None, None) => Some(ExportTo::File {
            path: ground.path(&file.path),
            most: file.max_mb.unwrap_or(100) * MEGABYTE,
            keep: file.keep.unwrap_or(10),
        }),
        (None, Some(syslog), None) => {
            let port = syslog.address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                ground.find(findings, &format!("{path}/syslog/address"), "write `host:port`");
            }
            port.map(|_| ExportTo::Syslog { address: syslog.address.clone() })
        }
        (None, None, Some(http)) => over_http(http, &format!("{path}/http"), (ground, findings)),
        _ => {
            ground.find(findings, path, "give exactly one of `file`, `syslog` and `http`");
            None
        }
    }
}

fn over_http(form: &HttpForm, path: &str, (ground, findings): (&Ground<'_>, &mut Findings)) -> Option<ExportTo> {
    let at = format!("{path}/url");
    let faulty = match web_url(&form.url) {
        Err(message) => Some(message),
        Ok(uri) if !form.allow_private && (uri.scheme_str() == Some("http") || host_is_loopback(&form.url)) => {
            Some("records leave over https only; plain http and loopback need `allow_private: true`".to_owned())
        }
        Ok(_) => None,
    };
    let sound = faulty.is_none();
    if let Some(message) = faulty {
        ground.find(findings, &at, message);
    }
    let bearer = match (&form.bearer_file, &form.bearer_env) {
        (None, None) => None,
        (Some(file), None) => Some(("bearer_file", json!({"file": file}))),
        (None, Some(variable)) => Some(("bearer_env", json!({"env": variable}))),
        (Some(_), Some(_)) => {
            ground.find(findings, path, "give either `bearer_file` or `bearer_env`");
            return None;
        }
    };
    let bearer = match bearer {
        None => None,
        Some((member, place)) => match configured("token", &place, ground.base, ground.environment) {
            Ok(ConfiguredValue::Secret(secret)) => Some(secret),
            Ok(ConfiguredValue::Plain(_)) => None,
            Err(message) => {
                ground.find(findings, &format!("{path}/{member}"), message);
                return None;
            }
        },
    };
    sound.then(|| ExportTo::Http { url: form.url.clone(), bearer, allow_private: form.allow_private })
}
