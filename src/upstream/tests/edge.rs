//! HTTP servers that point elsewhere, flood, lie, or stand where they may not be reached.

use std::sync::{Arc, atomic::Ordering};

use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::{
    peer::{Content, Peer, Reply, modern},
    support::{call, dispatch, failed, quick, server, text, until},
};
use crate::upstream::{FailureKind, HttpSettings, ServerSettings, Transport, Upstreams};

fn settings(url: &str, allow_private: bool) -> ServerSettings {
    let http =
        HttpSettings { url: url.parse().unwrap(), headers: Default::default(), allow_private, authorities: None };
    ServerSettings { patience: quick(), ..ServerSettings::new(server("s"), Transport::Http(http)) }
}

/// T028
#[tokio::test]
async fn two_hundred_calls_at_once_over_http_are_never_crossed() {
    let peer = Peer::start(|seen| {
        modern(seen).or_else(|| Some(seen.say(seen.json["params"]["arguments"]["text"].as_str().unwrap())))
    })
    .await;
    let upstreams = Arc::new(peer.upstreams().await);
    let calls: Vec<_> = (0..200)
        .map(|number| {
            let upstreams = upstreams.clone();
            let arguments = json!({"text": format!("marker-{number}")}).to_string();
            tokio::spawn(async move { text(upstreams.send(call("echo", &arguments), dispatch()).await) })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), format!("marker-{number}"));
    }
}

/// T031
#[tokio::test]
async fn whatever_is_no_answer_within_bounds_is_a_failure_and_harms_nobody_else() {
    let big = || format!(r#"{{"x":"{}"}}"#, "x".repeat(9 << 20));
    let peer = Peer::start(move |seen| {
        let id = &seen.json["id"];
        let whole = |kind: &str, body: String| Reply {
            status: 200,
            headers: vec![("content-type", kind.into())],
            body: Content::Whole(body.into()),
        };
        modern(seen).or_else(|| {
            Some(match seen.tool() {
                "html" => whole("text/html", "<p>hi</p>".into()),
                "broken" => whole("application/json", format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"#)),
                "wrongid" => {
                    whole("application/json", r#"{"jsonrpc":"2.0","id":999999,"result":{"content":[]}}"#.into())
                }
                "twice" => whole(
                    "application/json",
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"a":1}},"result":{{"b":1}}}}"#),
                ),
                "big" => whole("application/json", big()),
                "event" => whole("text/event-stream", format!("data: {}\n\n", "x".repeat((1 << 20) + 1))),
                "gzip" => seen.say("hi").with("content-encoding", "gzip"),
                "strange" => seen.stream(&[json!({"jsonrpc": "2.0", "id": 999_999, "result": {}})]),
                "accepted" => Reply::empty(202),
                _ => seen.say("fine"),
            })
        })
    })
    .await;
    let upstreams = peer.upstreams().await;
    for (tool, kind) in [
        ("html", FailureKind::Garbage),
        ("broken", FailureKind::Garbage),
        ("wrongid", FailureKind::Garbage),
        ("twice", FailureKind::Garbage),
        ("big", FailureKind::TooLarge),
        ("event", FailureKind::TooLarge),
        ("gzip", FailureKind::Garbage),
        ("strange", FailureKind::Garbage),
        ("accepted", FailureKind::Status(202)),
    ] {
        assert_eq!(failed(upstreams.send(call(tool, "{}"), dispatch()).await), (kind, true), "{tool}");
        assert_eq!(text(upstreams.send(call("fine", "{}"), dispatch()).await), "fine", "after {tool}");
        assert_eq!(peer.journal().iter().filter(|seen| seen.tool() == tool).count(), 1, "{tool}: T127, sent once");
    }
}

/// T122
#[tokio::test]
async fn a_redirect_is_not_followed_and_carries_nothing_anywhere() {
    let elsewhere = Peer::start(|_| None).await;
    let target = format!("http://{}/steal", elsewhere.address);
    let peer =
        Peer::start(move |seen| modern(seen).or_else(|| Some(Reply::empty(307).with("location", &target)))).await;
    let upstreams = peer.upstreams().await;
    assert_eq!(failed(upstreams.send(call("echo", "{}"), dispatch()).await), (FailureKind::Redirected, true));
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
}

/// T120
#[tokio::test]
async fn an_inner_address_is_reached_in_no_spelling_without_leave() {
    let peer = Peer::start(|_| None).await;
    let port = peer.address.port();
    for host in
        ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0.0.0.0", "169.254.169.254", "10.0.0.1"]
    {
        let refused = Upstreams::start(vec![settings(&format!("https://{host}:{port}/"), false)]);
        assert!(refused.is_err(), "{host}");
    }
    for host in ["localhost", "localhost.", "0x7f.1", "2130706433", "127.1", "017700000001"] {
        let upstreams = Upstreams::start(vec![settings(&format!("https://{host}:{port}/"), false)]).unwrap();
        until(host, || upstreams.health()[&server("s")].last_failure == Some(FailureKind::Unreachable)).await;
    }
    assert_eq!(peer.connections.load(Ordering::SeqCst), 0);
    for url in
        ["http://example.com/", "http://127.0.0.1/", "ftp://example.com/", "https://user:pass@example.com/", "/mcp"]
    {
        assert!(Upstreams::start(vec![settings(url, false)]).is_err(), "{url}");
    }
    assert!(Upstreams::start(vec![settings("http://1.1.1.1/", true)]).is_err(), "no plain http to the outside");
}

/// T120
#[tokio::test]
async fn leave_for_private_addresses_is_leave_for_their_names_too() {
    let peer = Peer::start(|seen| modern(seen).or_else(|| Some(seen.say("hi")))).await;
    let upstreams =
        Upstreams::start(vec![settings(&format!("http://localhost:{}/mcp", peer.address.port()), true)]).unwrap();
    super::support::ready(&upstreams).await;
    assert_eq!(text(upstreams.send(call("echo", "{}"), dispatch()).await), "hi");
}

/// T125
#[tokio::test]
async fn a_certificate_that_nobody_trusted_is_refused_before_anything_is_sent() {
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(include_bytes!("self-signed.key")).unwrap();
    let chain = vec![rustls::pki_types::CertificateDer::from_pem_slice(include_bytes!("self-signed.pem")).unwrap()];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(socket).await {
                let mut bytes = [0; 64];
                if let Ok(count @ 1..) = stream.read(&mut bytes).await {
                    return bytes[..count].to_vec();
                }
            }
        }
    });
    let own = include_bytes!("self-signed.pem").to_vec();
    let other = include_bytes!("other.pem").to_vec();
    for (authorities, trusted) in [(other, false), (own, true)] {
        let mut settings = settings(&format!("https://localhost:{port}/"), true);
        if let Transport::Http(http) = &mut settings.transport {
            http.authorities = Some(authorities);
        }
        let upstreams = Upstreams::start(vec![settings]).unwrap();
        if trusted {
            assert!(serving.await.unwrap().starts_with(b"POST / HTTP/1.1"));
            return;
        }
        until("it is refused", || upstreams.health()[&server("s")].last_failure == Some(FailureKind::Unreachable))
            .await;
        assert!(!serving.is_finished());
    }
}

/// T126
#[tokio::test]
async fn a_credential_is_never_shown_and_the_protocols_headers_are_not_for_settings() {
    let peer = Peer::start(modern).await;
    assert!(!format!("{:?}", peer.settings()).contains("upstream-key"));
    for header in ["Mcp-Session-Id", "host", "Mcp-Param-X", "transfer-encoding", "bad header"] {
        let mut settings = peer.settings();
        if let Transport::Http(http) = &mut settings.transport {
            http.headers.insert(header.to_owned(), crate::domain::Secret::new("x".to_owned()));
        }
        assert!(Upstreams::start(vec![settings]).is_err(), "{header}");
    }
}

#[tokio::test]
async fn a_server_that_comes_late_or_comes_back_is_found() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let upstreams = Upstreams::start(vec![settings(&format!("http://{address}/mcp"), true)]).unwrap();
    until("it is down", || upstreams.health()[&server("s")].failures > 1).await;
    let end = upstreams.send(call("echo", "{}"), dispatch()).await;
    assert_eq!(failed(end), (FailureKind::Down, false));
    let peer = Peer::start_at(address, |seen| modern(seen).or_else(|| Some(seen.say("hi")))).await;
    super::support::ready(&upstreams).await;
    assert_eq!(text(upstreams.send(call("echo", "{}"), dispatch()).await), "hi");
    drop(peer);
}
