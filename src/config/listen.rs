//! Listeners: addresses, names under which they answer, and no plaintext beyond loopback unasked.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
};

use super::{
    check::{Ground, web_url},
    form::{ListenForm, TlsForm},
    settings::{Listen, TlsFiles},
    value::owner_only,
};
use crate::domain::{Document, Findings};

impl Listen {
    /// The values of Host that a listener accepts (T001): its bound address, `localhost` with its port if it
    /// is on loopback, the public URL's authority, and those that were configured. Lower case.
    #[must_use]
    pub fn accepted_hosts(&self, bound: SocketAddr) -> BTreeSet<String> {
        let mut hosts: BTreeSet<String> = self.hosts.iter().cloned().collect();
        hosts.insert(bound.to_string());
        if bound.ip().is_loopback() {
            hosts.insert(format!("localhost:{}", bound.port()));
        }
        let public = self.public_url.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
        if let Some(authority) = public.as_ref().and_then(http::Uri::authority) {
            hosts.insert(authority.as_str().to_ascii_lowercase());
        }
        hosts
    }

    /// The URL by which agents reach the gateway once it is bound, without a slash at its end.
    #[must_use]
    pub fn public_url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{bound}"))
    }
}

/// The two addresses; the default stands in for one that cannot be read, beside the finding.
pub(super) fn addresses(form: &ListenForm, document: &Document, findings: &mut Findings) -> (SocketAddr, SocketAddr) {
    let mut read = |text: &Option<String>, key: &str, port: u16| {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let Some(text) = text else { return default };
        text.parse().unwrap_or_else(|_| {
            let message = format!("`{text}` is not an address; write IP:PORT, such as {default}");
            document.find(findings, &format!("/listen/{key}"), message);
            default
        })
    };
    (read(&form.agents, "agents", 8080), read(&form.admin, "admin", 8081))
}

pub(super) fn check(form: &ListenForm, ground: &Ground<'_>, findings: &mut Findings) -> Listen {
    let (agents, admin) = addresses(form, ground.document, findings);
    if agents == admin && agents.port() != 0 {
        ground.find(findings, "/listen/admin", "agents and administration need two addresses; change one");
    }
    for (address, key) in [(agents, "agents"), (admin, "admin")] {
        if !address.ip().is_loopback() && form.tls.is_none() && !form.insecure_plaintext {
            let message = "an address beyond loopback needs `listen.tls`, or `listen.insecure_plaintext: true` behind a proxy that ends TLS";
            ground.find(findings, &format!("/listen/{key}"), message);
        }
    }
    let public_url = form.public_url.as_ref().map(|url| url.trim_end_matches('/').to_ascii_lowercase());
    if let Some(url) = &form.public_url {
        match web_url(url) {
            Err(message) => ground.find(findings, "/listen/public_url", message),
            Ok(uri) if uri.path() != "/" || uri.query().is_some() => {
                ground.find(findings, "/listen/public_url", "only scheme, host and port; `/mcp` is added to it");
            }
            Ok(_) => {}
        }
    }
    Listen {
        agents,
        admin,
        public_url,
        hosts: hosts(&form.hosts, ground, findings),
        origins: origins(&form.origins, ground, findings),
        tls: form.tls.as_ref().map(|tls| tls_files(tls, ground, findings)),
        insecure_plaintext: form.insecure_plaintext,
    }
}

fn hosts(list: &[String], ground: &Ground<'_>, findings: &mut Findings) -> Vec<String> {
    for (index, host) in list.iter().enumerate() {
        let exact = !host.contains(['*', '/', '@']) && host.parse::<http::uri::Authority>().is_ok();
        if !exact {
            let message = format!("`{host}` is not a host; write HOST or HOST:PORT, without wildcard");
            ground.find(findings, &format!("/listen/hosts/{index}"), message);
        }
    }
    list.iter().map(|host| host.to_ascii_lowercase()).collect()
}

fn origins(list: &[String], ground: &Ground<'_>, findings: &mut Findings) -> Vec<String> {
    for (index, origin) in list.iter().enumerate() {
        let exact = web_url(origin).is_ok_and(|uri| uri.path() == "/" && uri.query().is_none())
            && !origin.ends_with('/')
            && !origin.contains('*');
        if !exact {
            let message = format!("`{origin}` is not an origin; write scheme://HOST[:PORT], without wildcard or path");
            ground.find(findings, &format!("/listen/origins/{index}"), message);
        }
    }
    list.iter().map(|origin| origin.to_ascii_lowercase()).collect()
}

fn tls_files(form: &TlsForm, ground: &Ground<'_>, findings: &mut Findings) -> TlsFiles {
    let certificate = ground.path(&form.certificate_file);
    let key = ground.path(&form.key_file);
    if !certificate.is_file() {
        let message = format!("`{}` is not a file; create it or correct the path", certificate.display());
        ground.find(findings, "/listen/tls/certificate_file", message);
    }
    if let Err(message) = owner_only(&key) {
        ground.find(findings, "/listen/tls/key_file", message);
    }
    TlsFiles { certificate, key }
}
