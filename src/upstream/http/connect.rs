//! Connections to checked addresses only, TLS verified, nothing taken from the environment (T120 to T125).

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tower_service::Service;

use super::address::Rule;
use crate::domain::limits;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A client whose every connection was checked.
pub type CheckedClient = Client<HttpsConnector<Checked>, Full<Bytes>>;

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Authorities<'a> {
    /// None: for connections without TLS.
    None,
    /// Those of the machine.
    Machine,
    /// These, in PEM.
    These(&'a [u8]),
}

/// A client for a gateway that its user names: over TLS anywhere, without it only where the address is not public.
///
/// # Errors
/// The certificate authorities of the machine cannot be read.
pub fn client_of_gateway(url: &Uri) -> io::Result<CheckedClient> {
    if url.scheme_str() == Some("https") {
        return client(Rule { public: true, private: true, loopback: true }, Authorities::Machine);
    }
    client(Rule { public: false, private: true, loopback: true }, Authorities::None)
}

/// Makes a client.
///
/// # Errors
/// The certificate authorities cannot be read, or there are none.
pub(super) fn client(rule: Rule, authorities: Authorities<'_>) -> io::Result<CheckedClient> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let tls = match authorities {
        Authorities::None => builder.with_root_certificates(RootCertStore::empty()),
        Authorities::Machine => builder.with_native_roots()?,
        Authorities::These(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
            }
            if roots.is_empty() {
                return Err(io::Error::other("the file holds no certificate"));
            }
            builder.with_root_certificates(roots)
        }
    }
    .with_no_client_auth();
    let mut tcp = HttpConnector::new_with_resolver(Resolver(rule));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(limits::CONNECT_TIME));
    let checked = Checked { tcp, rule };
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(checked);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(64)
        .http1_max_headers(limits::HEADERS)
        .build(connector))
}

/// The address is not one that may be reached.
#[derive(Debug, thiserror::Error)]
#[error("no address of `{0}` may be reached")]
struct Forbidden(String);

/// Resolves names, and gives back only what the rule allows: what was checked is what is connected to.
#[derive(Clone)]
pub struct Resolver(Rule);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pending<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let rule = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found.filter(|address| rule.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(io::Error::other(Forbidden(name.as_str().to_owned())));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// Connects; an address in the URL itself does not pass the resolver and is checked here.
#[derive(Clone)]
pub struct Checked {
    tcp: HttpConnector<Resolver>,
    rule: Rule,
}

impl Service<Uri> for Checked {
    type Response = <HttpConnector<Resolver> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pending<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        if !literal_allowed(&url, self.rule) {
            return Box::pin(async move { Err(Forbidden(url.host().unwrap_or_default().to_owned()).into()) });
        }
        let connecting = self.tcp.call(url);
        Box::pin(async move { connecting.await.map_err(Into::into) })
    }
}

/// Whether a URL may be connected to, as far as it holds an address itself.
pub(super) fn literal_allowed(url: &Uri, rule: Rule) -> bool {
    let host = url.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.parse::<IpAddr>().map_or(!host.is_empty(), |address| rule.allows(address))
}
