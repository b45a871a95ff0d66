//! Rounds of questions: a state is good for one request of one caller, once; what may not be asked is not shown.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::ADMINISTRATOR,
    house::House,
    wire::{Agent, Answer, meta_of},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a state of a round that is not its caller's own goes nowhere", "T035", 120, foreign),
        case!("a call of three rounds is charged once and no state makes a call free", "T035", 120, charged),
        case!("a question that was not declared or is not permitted is not shown", "T036", 120, shown),
        case!("a question within a task that was not declared or is not permitted is not shown", "T036", 60, worked),
        case!("a server learns of no ability that policy keeps from it", "T036", 60, told),
    ]
}

fn able() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})
}

fn call(tool: &str, arguments: &Value, state: Option<&str>) -> Value {
    let mut params = json!({"name": tool, "arguments": arguments, "_meta": meta_of(&able())});
    if let Some(state) = state {
        params["requestState"] = json!(state);
        params["inputResponses"] = json!({"q": {"action": "accept", "content": {"name": "n"}}});
    }
    params
}

async fn quiz(agent: &Agent, rounds: u64, state: Option<&str>) -> anyhow::Result<Answer> {
    agent.ask("tools/call", call("all__quiz", &json!({"rounds": rounds}), state)).await
}

/// The state of a round that asks.
fn state(answer: &Answer) -> anyhow::Result<String> {
    let json = answer.json();
    ensure!(json["result"]["resultType"] == json!("input_required"), "no question: {}", answer.told());
    Ok(json["result"]["requestState"].as_str().context("no state")?.to_owned())
}

/// A refusal, whatever its form.
fn refused(what: &str, answer: &Answer) -> anyhow::Result<()> {
    let json = answer.json();
    let refused = json["result"]["isError"] == json!(true) || json["error"].is_object();
    ensure!(refused && !answer.told().contains("SHOWN"), "{what} is not refused: {}", answer.told());
    Ok(())
}

async fn foreign() -> anyhow::Result<()> {
    let mut house = House::start().await?;
    let other = house.gateway.of("other").await?;
    let agent = house.agent.clone();
    let token = state(&quiz(&agent, 2, None).await?)?;
    ensure!(!token.contains('1') || token.len() > 40, "the server's own state shows: {token}");
    let before = house.peer.carried();
    for at in 0..token.len() {
        // Every byte near both ends, and every seventh between.
        if at % 7 != 0 && at > 16 && at + 24 < token.len() {
            continue;
        }
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        refused("a changed state", &quiz(&agent, 2, Some(&String::from_utf8(bytes)?)).await?)?;
    }
    for (what, text) in [("no state of ours", "2"), ("an empty state", ""), ("a cut state", &token[..token.len() / 2])]
    {
        refused(what, &quiz(&agent, 2, Some(text)).await?)?;
    }
    refused("longer", &quiz(&agent, 2, Some(&format!("{token}{token}"))).await?)?;
    refused("another principal", &quiz(&other, 2, Some(&token)).await?)?;
    refused("other arguments", &quiz(&agent, 3, Some(&token)).await?)?;
    let echo = agent.ask("tools/call", call("all__echo", &json!({"rounds": 2}), Some(&token))).await?;
    refused("another tool", &echo)?;
    let prompt = json!({"name": "all__ask", "requestState": token, "_meta": meta_of(&able())});
    refused("another method", &agent.ask("prompts/get", prompt).await?)?;
    let read = json!({"uri": "all+test://ask", "requestState": token, "_meta": meta_of(&able())});
    refused("a resource", &agent.ask("resources/read", read).await?)?;
    house.peer.quiet(before)?;
    // The good state, once.
    let second = state(&quiz(&agent, 2, Some(&token)).await?)?;
    let sent = house.peer.heard("tools/call");
    ensure!(sent.last().is_some_and(|last| last.params()["requestState"] == json!("1")), "its own state comes back");
    let before = house.peer.carried();
    refused("twice", &quiz(&agent, 2, Some(&token)).await?)?;
    house.peer.quiet(before)?;
    // Prompts and resources have states of their own.
    for (method, key, name) in [("prompts/get", "name", "all__ask"), ("resources/read", "uri", "all+test://ask")] {
        let params = |state: Option<&str>| {
            let mut params = json!({"_meta": meta_of(&able())});
            params[key] = json!(name);
            if let Some(state) = state {
                params["requestState"] = json!(state);
                params["inputResponses"] = json!({"q": {"action": "decline"}});
            }
            params
        };
        let token = state(&agent.ask(method, params(None)).await?)?;
        let before = house.peer.carried();
        refused("another principal", &other.ask(method, params(Some(&token))).await?)?;
        house.peer.quiet(before)?;
        let answer = agent.ask(method, params(Some(&token))).await?;
        ensure!(answer.json()["result"]["resultType"] == json!("complete"), "{method}: {}", answer.told());
        let before = house.peer.carried();
        refused("twice", &agent.ask(method, params(Some(&token))).await?)?;
        house.peer.quiet(before)?;
    }
    house.gateway.kill().await?;
    house.gateway.launch().await?;
    house.ready().await?;
    let before = house.peer.carried();
    refused("after a restart", &quiz(&agent, 2, Some(&second)).await?)?;
    house.peer.quiet(before)?;
    house.gateway.verified().await?;
    Ok(())
}

async fn charged() -> anyhow::Result<()> {
    let house = House::start().await?;
    let agent = house.agent.clone();
    let mut record = house.gateway.record("EX-ROUNDS", "paid", 600).await?;
    record["grant"]["server"] = json!("all");
    record["budget"] = json!({"calls": 2});
    house.gateway.grant(&record).await?;
    let paid =
        async |state: Option<&str>| agent.ask("tools/call", call("all__paid", &json!({"rounds": 2}), state)).await;
    let used = async || -> anyhow::Result<u64> {
        let shown = house.gateway.ok(ADMINISTRATOR, &["exception", "show", "EX-ROUNDS"]).await?;
        let text = shown.to_string();
        let at = text.split("\"used\":").nth(1).with_context(|| format!("no `used`: {text}"))?;
        Ok(at.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?)
    };
    let first = state(&paid(None).await?)?;
    let second = state(&paid(Some(&first)).await?)?;
    let end = paid(Some(&second)).await?;
    ensure!(end.is_done(), "the third round: {}", end.told());
    ensure!(used().await? == 1, "{} calls were charged for three rounds", used().await?);
    let before = house.peer.carried();
    for token in [&first, &second] {
        refused("a used state", &paid(Some(token)).await?)?;
    }
    house.peer.quiet(before)?;
    // The second call takes the last of the budget, and its rounds still go on.
    let first = state(&paid(None).await?)?;
    // Racing with one state: one of them goes on.
    let (one, two, three) = tokio::join!(paid(Some(&first)), paid(Some(&first)), paid(Some(&first)));
    let through = [one?, two?, three?].into_iter().filter_map(|answer| state(&answer).ok()).collect::<Vec<_>>();
    ensure!(through.len() == 1, "{} of 3 racing rounds went on", through.len());
    // A call without budget in between ends the exception, but not the call that was paid for.
    refused("a call without budget", &paid(None).await?)?;
    let spent = async || {
        let shown = house.gateway.ok(ADMINISTRATOR, &["exception", "show", "EX-ROUNDS"]).await;
        shown.is_ok_and(|shown| shown.to_string().contains("exhausted"))
    };
    crate::gateway::until("the budget is noted as spent", Duration::from_secs(10), spent).await?;
    refused("a call of an exception that is spent", &paid(None).await?)?;
    let last = paid(Some(&through[0])).await?;
    ensure!(last.is_done(), "the last round of a call that was paid for: {}", last.told());
    refused("a call without budget", &paid(None).await?)?;
    ensure!(house.peer.heard("tools/call").len() == 6, "{} were forwarded", house.peer.heard("tools/call").len());
    let journal = house.gateway.journal().await?;
    let of = |kind: &str| journal.iter().filter(|record| record["kind"] == json!(kind)).collect::<Vec<_>>();
    let charged = of("intent").iter().filter(|intent| intent["continues"].is_null()).count();
    ensure!(of("intent").len() == 6 && charged == 2, "{} intents, {charged} charged", of("intent").len());
    house.gateway.verified().await?;
    Ok(())
}

async fn shown() -> anyhow::Result<()> {
    let house = House::start().await?;
    let ask = async |arguments: Value, able: Value| {
        let params = json!({"name": "all__quiz", "arguments": arguments, "_meta": meta_of(&able)});
        house.agent.ask("tools/call", params).await
    };
    let url = |url: &str| json!({"ask": "url", "url": url});
    let good = ask(url("https://login.example.org/start"), able()).await?;
    ensure!(good.told().contains("SHOWN"), "a permitted page is not shown: {}", good.told());
    let good = ask(json!({"ask": "form"}), able()).await?;
    ensure!(good.told().contains("SHOWN"), "a permitted form is not shown: {}", good.told());
    let asked = [
        ("sampling without a role", json!({"ask": "sample"}), able()),
        ("roots without a role", json!({"ask": "roots"}), able()),
        ("a form that was not declared", json!({"ask": "form"}), json!({})),
        ("a form where only pages were declared", json!({"ask": "form"}), json!({"elicitation": {"url": {}}})),
        ("a page where only forms were declared", url("https://login.example.org/start"), json!({"elicitation": {}})),
        ("a foreign host", url("https://evil.example/"), able()),
        ("a host that begins alike", url("https://login.example.org.evil.example/"), able()),
        ("a host behind a user", url("https://login.example.org@evil.example/"), able()),
        ("a backslash", url("https://evil.example\\@login.example.org/"), able()),
        ("another scheme", url("javascript://login.example.org/%0aalert(1)"), able()),
        ("a file", url("file:///login.example.org"), able()),
        ("no URL", url(""), able()),
    ];
    let count = asked.len();
    for (what, arguments, able) in asked {
        refused(what, &ask(arguments, able).await?)?;
    }
    let poor = json!({"name": "all__ask", "_meta": meta_of(&json!({}))});
    refused("a prompt that asks without leave", &house.agent.ask("prompts/get", poor).await?)?;
    let journal = house.gateway.journal().await?;
    let outcomes = journal.iter().filter(|record| record["kind"] == json!("outcome")).count();
    ensure!(outcomes >= count + 3, "only {outcomes} outcomes are on record");
    let failed = journal.iter().filter(|record| record["how"] == json!("failed")).count();
    ensure!(failed + 3 >= count, "only {failed} refusals of questions are on record");
    house.gateway.verified().await?;
    Ok(())
}

async fn worked() -> anyhow::Result<()> {
    let house = House::start().await?;
    let tasks = json!({"io.modelcontextprotocol/tasks": {}});
    let poor = json!({"extensions": tasks});
    let mut rich = able();
    rich["extensions"] = tasks;
    let job = async |arguments: Value, able: &Value| {
        let params = json!({"name": "all__job", "arguments": arguments, "_meta": meta_of(able)});
        house.agent.ask("tools/call", params).await
    };
    for ask in ["form", "url"] {
        let answer = job(json!({"ask": ask}), &rich).await?;
        ensure!(answer.told().contains("SHOWN"), "{ask}: what is permitted is not shown: {}", answer.told());
        refused("a task that asks without leave", &job(json!({"ask": ask}), &poor).await?)?;
    }
    for ask in ["sample", "roots"] {
        refused("a task that asks at once", &job(json!({"ask": ask}), &rich).await?)?;
    }
    for (later, able, shown) in
        [("form", &rich, true), ("form", &poor, false), ("sample", &rich, false), ("roots", &rich, false)]
    {
        let begun = job(json!({"later": later}), able).await?;
        let id = begun.json()["result"]["taskId"].clone();
        ensure!(id.is_string(), "no task: {}", begun.told());
        let answer = house.agent.ask("tasks/get", json!({"taskId": id, "_meta": meta_of(able)})).await?;
        if shown {
            ensure!(answer.told().contains("SHOWN"), "{later}: {}", answer.told());
        } else {
            refused("a task that asks later", &answer)?;
        }
    }
    house.gateway.verified().await?;
    Ok(())
}

async fn told() -> anyhow::Result<()> {
    let house = House::start().await?;
    let params = json!({"name": "all__echo", "arguments": {"text": "x"}, "_meta": meta_of(&able())});
    house.agent.ask("tools/call", params).await?;
    let prompt = json!({"name": "all__open", "_meta": meta_of(&able())});
    house.agent.ask("prompts/get", prompt).await?;
    for method in ["tools/call", "prompts/get"] {
        let heard = house.peer.heard(method);
        let told = heard.last().context("nothing was forwarded")?.capabilities().clone();
        ensure!(told["elicitation"].is_object(), "{method}: a permitted ability is not told: {told}");
        ensure!(told["sampling"].is_null() && told["roots"].is_null(), "{method}: told of {told}");
        ensure!(told["elicitation"] == json!({"form": {}, "url": {}}), "{method}: told of {told}");
    }
    Ok(())
}
