//! Policies that change under a running gateway, and calls beside the road.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::ensure;
use http::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, Gateway, until},
    wire::call_body,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("faulty policies change nothing, mended ones count at once", "T067 T068", 60, last_good),
        case!("a tool out of view is not reached by its own address", "T061", 60, address),
        case!("no listener answers without a credential", "T003", 60, strangers),
        case!("heads that never end are cut, and nobody waits for them", "T010", 60, slow_heads),
    ]
}

async fn last_good() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let file = gateway.folder.path().join("policies/roles/echo.cedar");
    let sound = fs::read_to_string(&file)?;
    let echo = async |text: &str| gateway.agent.call("rec__echo", json!({"text": text})).await;
    ensure!(echo("1").await?.is_done(), "the first call");
    fs::write(&file, "@id(\"echo\")\npermit (principal in Role::\"echoer\", action == Action::\"rec/echo\"")?;
    let output = gateway.cli(ADMINISTRATOR, &["reload"]).await?;
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.code() == Some(2), "bad input: {:?} {told}", output.status);
    ensure!(told.contains("roles/echo.cedar"), "the fault names its file and line: {told}");
    ensure!(echo("2").await?.is_done(), "the last good policies stay in force");
    fs::write(&file, "")?;
    gateway.ok(ADMINISTRATOR, &["reload"]).await?;
    let answer = echo("3").await?;
    ensure!(answer.code() == -32602, "no policy, no tool: {}", answer.told());
    fs::write(&file, sound)?;
    let back = async || echo("4").await.is_ok_and(|answer| answer.is_done());
    until("the folder is read again by itself", Duration::from_secs(10), back).await?;
    let calls = gateway.upstream.calls();
    let text = |number: &str| json!(["echo", {"text": number}]);
    ensure!(calls == [text("1"), text("2"), text("4")], "seen: {calls:?}");
    gateway.verified().await?;
    Ok(())
}

async fn address() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut line = gateway.agent.line().await?;
    for (path, tool) in
        [("/mcp/rec", "remember"), ("/mcp/rec", "rec__remember"), ("/mcp", "remember"), ("/mcp", "rec/remember")]
    {
        let headers = gateway.agent.headers("tools/call", Some(tool));
        let body = call_body(7, tool, &json!({"text": "x"}));
        let answer = line.send_to(path, headers, body.into()).await?;
        ensure!(answer.code() == -32602, "{path} {tool}: {}", answer.told());
    }
    let headers = gateway.agent.headers("tools/call", Some("echo"));
    let answer = line.send_to("/mcp/rec", headers, call_body(8, "echo", &json!({"text": "y"})).into()).await?;
    ensure!(answer.is_done(), "its own tool under its own name: {}", answer.told());
    ensure!(gateway.upstream.calls() == [json!(["echo", {"text": "y"}])], "seen: {:?}", gateway.upstream.calls());
    Ok(())
}

async fn slow_heads() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut sockets = Vec::new();
    for _ in 0..500 {
        let mut socket = TcpStream::connect(gateway.agent.address).await?;
        socket.write_all(b"POST /mcp HTTP/1.1\r\nX:").await?;
        sockets.push(socket);
    }
    let begun = Instant::now();
    let answer = gateway.agent.call("rec__echo", json!({"text": "x"})).await?;
    ensure!(answer.is_done(), "a call beside them: {}", answer.told());
    ensure!(begun.elapsed() < Duration::from_secs(1), "the call took {:?}", begun.elapsed());
    let ended = async {
        for socket in &mut sockets {
            let mut rest = Vec::new();
            let _reset_is_an_end_too = socket.read_to_end(&mut rest).await;
        }
    };
    ensure!(tokio::time::timeout(Duration::from_secs(8), ended).await.is_ok(), "some are still open after 8 s");
    Ok(())
}

async fn strangers() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let mut line = gateway.agent.line().await?;
    let bare: Vec<_> = gateway
        .agent
        .headers("tools/call", Some("rec__echo"))
        .into_iter()
        .filter(|(name, _)| *name != "authorization")
        .collect();
    let answer = line.send(bare, call_body(1, "rec__echo", &json!({"text": "x"}))).await?;
    ensure!(answer.status == StatusCode::UNAUTHORIZED, "agents: {}", answer.told());
    for path in ["/api/v1/exceptions", "/api/v1/keys", "/metrics", "/api/v1/evidence"] {
        let status = gateway.stranger(path).await?;
        ensure!(status == StatusCode::UNAUTHORIZED, "{path}: {status}");
    }
    ensure!(gateway.upstream.calls().is_empty(), "seen: {:?}", gateway.upstream.calls());
    Ok(())
}
