//! Reading small files over HTTP.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::peer::{Content, Peer, Reply};
use crate::upstream::{FetchError, HttpFetch};

#[tokio::test]
async fn a_file_is_read_from_loopback_within_its_bound_and_without_redirects() {
    let elsewhere = Peer::start(|_| None).await;
    let target = format!("http://{}/keys", elsewhere.address);
    let good = Peer::start(|_| Some(Reply::json(200, &json!({"keys": []})))).await;
    let away = Peer::start(move |_| Some(Reply::empty(302).with("location", &target))).await;
    let big = Peer::start(|_| {
        Some(Reply { status: 200, headers: Vec::new(), body: Content::Whole(vec![b' '; (1 << 20) + 1].into()) })
    })
    .await;
    let fetch = HttpFetch::default();
    let url = |peer: &Peer| format!("http://{}/keys", peer.address);
    assert_eq!(fetch.get(&url(&good)).await.unwrap(), r#"{"keys":[]}"#);
    assert!(matches!(fetch.get(&url(&away)).await, Err(FetchError::Status { status: 302, .. })));
    assert!(matches!(fetch.get(&url(&big)).await, Err(FetchError::TooLarge(_))));
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
    assert_eq!(good.journal()[0].verb, http::Method::GET);
}

/// T120, T123
#[tokio::test]
async fn plain_http_leads_nowhere_but_to_this_machine_and_never_to_metadata() {
    let fetch = HttpFetch::default();
    for url in [
        "http://10.0.0.1/keys",
        "http://169.254.169.254/",
        "https://169.254.169.254/",
        "http://1.1.1.1/",
        "file:///etc/passwd",
        "https://user@idp.example/",
        "keys",
        "http://0.0.0.0/",
        "https://[fe80::1]/",
    ] {
        assert!(matches!(fetch.get(url).await, Err(FetchError::Url(_))), "{url}");
    }
}
