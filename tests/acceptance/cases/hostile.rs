//! A tool server that breaks every rule spoils one call, never the next.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::case;
use crate::{
    Case,
    house::House,
    peer::{Heard, Say, http},
};

pub fn cases() -> Vec<Case> {
    vec![case!("a hostile server spoils one call and never the next", "T031 T032 T028", 120, hostile)]
}

const PARTS: [&str; 17] = [
    "wrong id",
    "id as text",
    "no id",
    "two answers",
    "garbage",
    "empty",
    "half a chunk",
    "cut off",
    "endless event",
    "endless body",
    "injected event",
    "another's answer",
    "a batch",
    "huge number of headers",
    "not http",
    "unknown type",
    "slow bytes",
];

fn answer(id: &serde_json::Value, text: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete",
        "content": [{"type": "text", "text": text}], "isError": false}})
    .to_string()
}

fn say(heard: &Heard) -> Option<Say> {
    if heard.method() != "tools/call" {
        return None;
    }
    let id = &heard.json["id"];
    let now = |bytes: Vec<u8>| Some(Say::Bytes(vec![(Duration::ZERO, bytes)]));
    let json = |text: &str| now(http("application/json", text));
    let sse = |text: &str| now(http("text/event-stream", text));
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bad = |id: serde_json::Value| answer(&id, "BAD");
    match heard.params()["arguments"]["text"].as_str().unwrap_or_default() {
        "wrong id" => json(&bad(json!(id.as_u64().unwrap_or(0) + 1))),
        "id as text" => json(&bad(json!(id.to_string()))),
        "no id" => json(&bad(json!(null))),
        // The first answer is the answer; what comes after it reaches nobody.
        "two answers" => sse(&format!("data: {}\n\ndata: {}\n\n", answer(id, "first"), answer(id, "BAD"))),
        "garbage" => json("{\"jsonrpc\": BAD"),
        "empty" => json(""),
        "half a chunk" => now(format!("{chunked}40\r\ndata: {{\"jsonrpc\":\"2.0\",\"BAD").into_bytes()),
        "cut off" => {
            now(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"BAD".to_vec())
        }
        "endless event" => Some(Say::Endless(
            format!("{chunked}6\r\ndata: \r\n").into_bytes(),
            format!("10000\r\n{}\r\n", "B".repeat(0x10000)).into_bytes(),
        )),
        "endless body" => Some(Say::Endless(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":\"".to_vec(),
            vec![b'B'; 1 << 16],
        )),
        "injected event" => {
            let text = format!("x\n\ndata: {}\n\n", bad(id.clone()));
            json(&answer(id, &text))
        }
        "another's answer" => sse(&format!("data: {}\n\n", bad(json!(1)))),
        "a batch" => json(&format!("[{}]", bad(id.clone()))),
        "huge number of headers" => {
            now(format!("HTTP/1.1 200 OK\r\n{}\r\n{}", "X-A: BAD\r\n".repeat(20_000), bad(id.clone())).into_bytes())
        }
        "not http" => now(b"SSH-2.0-BAD\r\n".to_vec()),
        "unknown type" => json(&answer(id, "BAD").replace("\"complete\"", "\"strange\"")),
        "slow bytes" => Some(Say::Bytes(
            http("application/json", &answer(id, "BAD"))
                .into_iter()
                .map(|b| (Duration::from_millis(400), vec![b]))
                .collect(),
        )),
        _ => None,
    }
}

fn resident(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

async fn hostile() -> anyhow::Result<()> {
    let options = crate::gateway::Options { timeout_s: 5, ..Default::default() };
    let house = House::with(options).await?;
    house.peer.script(say);
    let before = resident(house.gateway.pid()?)?;
    let mut wrong = Vec::new();
    for part in PARTS {
        let sent = house.peer.heard("tools/call").len();
        let begun = Instant::now();
        let answer = house.agent.call("all__echo", json!({"text": part})).await.context(part)?;
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        let whole = ["two answers", "injected event"].contains(&part);
        let json = answer.json();
        let error = json["result"]["isError"] == json!(true) || json["error"].is_object();
        if json["id"] != json!(1) || (whole == error) || (error && told.contains("BAD")) {
            wrong.push(format!("{part}: {}", answer.told()));
        }
        if part == "two answers" && told.contains("BAD") {
            wrong.push(format!("{part}: {}", answer.told()));
        }
        if part == "injected event"
            && json["result"]["content"][0]["text"].as_str().is_none_or(|t| !t.starts_with("x\n\ndata:"))
        {
            wrong.push(format!("{part}: {}", answer.told()));
        }
        if begun.elapsed() > Duration::from_secs(8) {
            wrong.push(format!("{part} took {:?}", begun.elapsed()));
        }
        if house.peer.heard("tools/call").len() != sent + 1 {
            wrong.push(format!("{part} was sent {} times", house.peer.heard("tools/call").len() - sent));
        }
        let next = house.agent.call("all__echo", json!({"text": "next"})).await?;
        if !next.is_done() || next.told().contains("BAD") {
            wrong.push(format!("after {part}: {}", next.told()));
        }
        ensure!(house.gateway.agent.call("rec__echo", json!({"text": part})).await?.is_done(), "another server");
    }
    let after = resident(house.gateway.pid()?)?;
    crate::say(&format!("resident: {before} MB before, {after} MB after"));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n       | "));
    ensure!(after < before + 100, "it grew from {before} MB to {after} MB");
    house.gateway.verified().await?;
    Ok(())
}
