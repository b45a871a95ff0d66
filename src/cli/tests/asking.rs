//! Commands against a gateway that answers over a real socket.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use axum::{
    Json, Router,
    body::Bytes,
    routing::{get, post},
};
use clap::Parser as _;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::cli::{Cli, command::Command, exit::Failure, remote::remote, screen::Screen};

async fn whoami(headers: HeaderMap) -> (StatusCode, Json<serde_json::Value>) {
    if headers["authorization"] != "Bearer pst_mine" {
        let error = json!({"error": {"code": "unauthenticated", "message": "a valid key of a person is required", "findings": []}});
        return (StatusCode::UNAUTHORIZED, Json(error));
    }
    let who =
        json!({"person": "olga", "duties": ["own", "audit"], "credential": "crd_1", "expires": "2027-01-15T08:00:00Z"});
    (StatusCode::OK, Json(who))
}

async fn submit(headers: HeaderMap, body: Bytes) -> (StatusCode, Json<serde_json::Value>) {
    assert_eq!((headers["content-type"].as_bytes(), &body[..]), (&b"application/yaml"[..], &b"id: EX-1\n"[..]));
    let findings = json!([{"file": "", "line": 1, "path": "/owner", "message": "is missing; add it"}]);
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        Json(json!({"error": {"code": "faulty_document", "message": "x", "findings": findings}})),
    )
}

/// The address of a gateway that runs until the test ends.
fn gateway() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let router = Router::new()
                .route("/api/v1/whoami", get(whoami))
                .route("/api/v1/exceptions", post(submit))
                .route("/api/v1/keys/{id}", axum::routing::delete(|| async { StatusCode::NO_CONTENT }));
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    format!("http://{address}")
}

fn ask(url: &str, key: &Path, line: &str) -> (Result<(), Failure>, String) {
    let line = format!("postern --url {url} --key-file {} {line}", key.display());
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let Command::Remote(command) = cli.command else { panic!("remote") };
    let mut out = Vec::new();
    let done = remote(command, &cli.global, &mut Screen { format: cli.global.output, out: &mut out });
    (done, String::from_utf8(out).unwrap())
}

#[test]
fn the_key_is_sent_and_answers_refusals_and_findings_reach_the_person() {
    let (folder, url) = (tempfile::tempdir().unwrap(), gateway());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let (mine, wrong, record) =
        (file("mine", "pst_mine\n"), file("wrong", "pst_wrong"), file("EX-1.yaml", "id: EX-1\n"));
    let (done, text) = ask(&url, &mine, "whoami");
    done.unwrap();
    assert_eq!(
        text,
        "person:      olga\nduties:      own, audit\ncredential:  crd_1\nexpires:     2027-01-15T08:00:00Z\n"
    );
    let (done, text) = ask(&url, &mine, "key revoke crd_9");
    done.unwrap();
    assert_eq!(text, "crd_9 is revoked\n");
    let refused = ask(&url, &wrong, "whoami").0.unwrap_err();
    assert_eq!((refused.code(), refused.to_string().contains("--key-file")), (1, true));
    let faulty = ask(&url, &mine, &format!("exception submit {}", record.display())).0.unwrap_err();
    assert_eq!(faulty.to_string(), format!("{}:1: /owner: is missing; add it", record.display()));
    assert_eq!(ask(&url, &mine, "controls").0.unwrap_err().code(), 1, "an answer that is none of ours");
}
