//! What the schema cannot say about `postern.yaml`: addresses, names, files, secrets.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    alerts, evidence, exports,
    form::{Form, IssuerForm, ProbeForm},
    listen,
    load::Environment,
    servers,
    settings::{
        Algorithm, Exceptions, Identity, Issuer, Jwks, Limits, ProbeApi, ProbeSettings, Settings, StoreSettings,
        TelemetrySettings,
    },
};
use crate::domain::{Assurance, Document, Findings, limits};

/// What a check stands on.
pub(super) struct Ground<'a> {
    pub(super) document: &'a Document,
    pub(super) base: &'a Path,
    pub(super) environment: Environment<'a>,
}

impl Ground<'_> {
    /// A path of the file, from the file's folder.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        joined(self.base, path)
    }

    pub(super) fn find(&self, findings: &mut Findings, pointer: &str, message: impl Into<String>) {
        self.document.find(findings, pointer, message);
    }
}

/// `path` from `base`, without `.` in between.
pub(super) fn joined(base: &Path, path: &str) -> PathBuf {
    base.join(path).components().collect()
}

/// Fills in defaults and finds faults. What is returned holds only if nothing was found.
pub(super) fn check(form: &Form, ground: &Ground<'_>, findings: &mut Findings) -> Settings {
    let call_timeout = form.limits.call_timeout_s.map_or(limits::CALL_TIME, Duration::from_secs);
    if let Some(folder) = &form.policies
        && !ground.path(folder).is_dir()
    {
        ground.find(findings, "/policies", format!("`{folder}` is not a folder; create it or correct the path"));
    }
    Settings {
        file: None,
        digest: None,
        listen: listen::check(&form.listen, ground, findings),
        data: ground.path(form.data.as_deref().unwrap_or("data")),
        policies: ground.path(form.policies.as_deref().unwrap_or("policies")),
        store: StoreSettings {
            durability: form.store.durability,
            commit_timeout: Duration::from_millis(form.store.commit_timeout_ms.unwrap_or(250)),
            checkpoint_copies: copies(form, ground, findings),
        },
        evidence: evidence::check(form, ground, findings),
        identity: identity(&form.identity.issuers, ground, findings),
        servers: servers::check(&form.servers, call_timeout, ground, findings),
        telemetry: telemetry(form, ground, findings),
        limits: Limits {
            rate_per_second: form.limits.rate_per_second.unwrap_or(20),
            burst: form.limits.burst.unwrap_or(40),
            call_timeout,
        },
        exceptions: Exceptions {
            per_owner: form.exceptions.budget.per_owner.unwrap_or(10),
            per_channel: form.exceptions.budget.per_channel.unwrap_or(50),
            analysis_days: form.exceptions.analysis_days.unwrap_or(30),
            require_proofs: form.exceptions.require_proofs,
            approval: Assurance {
                methods: form.exceptions.approval_amr.clone(),
                classes: form.exceptions.approval_acr.clone(),
                max_age: form.exceptions.approval_max_age_s.map(Duration::from_secs),
            },
        },
        alerts: alerts::check(&form.alerts, ground, findings),
        exports: exports::check(&form.exports, ground, findings),
        denials: form.denials,
    }
}

/// A copy beside the store would be put back together with it, and so tell nothing.
fn copies(form: &Form, ground: &Ground<'_>, findings: &mut Findings) -> Vec<PathBuf> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let data = real(&ground.path(form.data.as_deref().unwrap_or("data")));
    let mut places = Vec::new();
    for (at, text) in form.store.checkpoint_copies.iter().enumerate() {
        let (place, pointer) = (ground.path(text), format!("/store/checkpoint_copies/{at}"));
        let folder = if place.is_dir() { Some(place.as_path()) } else { place.parent() };
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        if !folder.is_some_and(Path::is_dir) {
            ground.find(findings, &pointer, format!("the folder of `{text}` does not exist; create it"));
        } else if folder.is_some_and(|folder| real(folder).starts_with(&data)) {
            ground.find(
                findings,
                &pointer,
                format!("`{text}` is in the data folder; put it on another machine or disk"),
            );
        }
        places.push(place);
    }
    places
}

fn telemetry(form: &Form, ground: &Ground<'_>, findings: &mut Findings) -> TelemetrySettings {
    if let Some(url) = &form.telemetry.otlp
        && let Err(message) = web_url(url)
    {
        ground.find(findings, "/telemetry/otlp", message);
    }
    TelemetrySettings {
        otlp: form.telemetry.otlp.clone(),
        sample_ratio: form.telemetry.sample_ratio.unwrap_or(0.1),
        lease: Duration::from_millis(form.telemetry.lease_ms.unwrap_or(2_000)),
        probe: form.telemetry.probe.as_ref().and_then(|probe| marker(probe, form, ground, findings)),
    }
}

fn marker(probe: &ProbeForm, form: &Form, ground: &Ground<'_>, findings: &mut Findings) -> Option<ProbeSettings> {
    if form.telemetry.otlp.is_none() {
        ground.find(findings, "/telemetry/probe", "a marker needs a collector; set `telemetry.otlp`");
    }
    let (api, url, place) = match (&probe.phoenix, &probe.jaeger) {
        (Some(url), None) => (ProbeApi::Phoenix, url, "/telemetry/probe/phoenix"),
        (None, Some(url)) => (ProbeApi::Jaeger, url, "/telemetry/probe/jaeger"),
        _ => {
            ground.find(findings, "/telemetry/probe", "name one backend: `phoenix` or `jaeger`, with its URL");
            return None;
        }
    };
    if let Err(message) = web_url(url) {
        ground.find(findings, place, message);
    }
    Some(ProbeSettings {
        api,
        url: url.clone(),
        project: probe.project.clone().unwrap_or_else(|| "default".to_owned()),
        every: Duration::from_secs(probe.every_s.unwrap_or(30)),
        within: Duration::from_secs(probe.within_s.unwrap_or(5)),
    })
}

fn identity(forms: &[IssuerForm], ground: &Ground<'_>, findings: &mut Findings) -> Identity {
    let mut seen = std::collections::BTreeSet::new();
    let mut issuers = Vec::new();
    for (index, form) in forms.iter().enumerate() {
        let path = format!("/identity/issuers/{index}");
        if !seen.insert(&form.issuer) {
            ground.find(findings, &format!("{path}/issuer"), "this issuer stands twice; keep one");
        }
        let jwks = match (&form.jwks_url, &form.jwks_file) {
            (Some(url), None) => {
                if let Err(message) = web_url(url) {
                    ground.find(findings, &format!("{path}/jwks_url"), message);
                } else if url.starts_with("http://") && !host_is_loopback(url) {
                    ground.find(
                        findings,
                        &format!("{path}/jwks_url"),
                        "keys are fetched over https only, except from loopback",
                    );
                }
                Jwks::Url(url.clone())
            }
            (None, Some(file)) => {
                let file = ground.path(file);
                if !file.is_file() {
                    let message = format!("`{}` is not a file; create it or correct the path", file.display());
                    ground.find(findings, &format!("{path}/jwks_file"), message);
                }
                Jwks::File(file)
            }
            (Some(_), Some(_)) | (None, None) => {
                ground.find(findings, &path, "give either `jwks_url` or `jwks_file`");
                continue;
            }
        };
        let all = || vec![Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa];
        issuers.push(Issuer {
            issuer: form.issuer.clone(),
            audience: form.audience.clone(),
            jwks,
            algorithms: form.algorithms.clone().unwrap_or_else(all),
            people: form.people,
        });
    }
    Identity { issuers }
}

/// An absolute http or https URL without credentials.
pub(super) fn web_url(text: &str) -> Result<http::Uri, String> {
    let uri: http::Uri = text.parse().map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("`{text}` must begin with http:// or https://"));
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("credentials do not stand in a URL; use a header with `{env: NAME}` or `{file: PATH}`".to_owned())
        }
        Some(_) => Ok(uri),
        None => Err(format!("`{text}` names no host")),
    }
}

/// Whether the URL's host is this machine by address or as `localhost`.
pub(super) fn host_is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
