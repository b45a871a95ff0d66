//! Acts by the command line and by the API leave equal records; who somebody is; approvals by token.

use std::fs;

use anyhow::{Context as _, ensure};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    case,
    governance::{bare, pilot_file},
    kinds::{GUARDRAILS, agent_key, day, turned},
};
use crate::{
    Case,
    gateway::{ADMINISTRATOR, AGENT, APPROVER, Gateway, OWNER, Options, REQUESTER, SECURITY},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("the rarer acts of a life leave equal records by command and by API", "I20", 90, acts),
        case!("a pilot is submitted and ended alike by command and by API", "I20", 60, pilots),
        case!("an agent's key says who it is, and one subject and tool are judged", "T091", 60, who),
        case!("an approval by token takes the second factor that is demanded", "T080", 60, factor),
    ]
}

/// One step: who, the act, its arguments behind the id.
type Step<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Lives by kind of record: members gone, members put in, and the steps after submission.
fn lives() -> Vec<(&'static str, Vec<&'static str>, Value, Vec<Step<'static>>)> {
    let elevation = vec!["attestation", "exit"];
    let exemption = json!({
        "kind": "rule_exemption", "rule_ids": ["no_far"], "rule_owner": APPROVER, "removal": {"shadow_every": "P30D"},
        "exit": {"type": "remediate", "criteria": "The route is mended.", "milestones": [{"name": "mended", "due": day(1)}]},
    });
    vec![
        ("REJECT", vec![], json!({}), vec![(APPROVER, "reject", &["--reason", "too wide"])]),
        ("WITHDRAW", vec![], json!({}), vec![(REQUESTER, "withdraw", &["--reason", "not needed"])]),
        (
            "FINISH",
            elevation.clone(),
            json!({"kind": "temporary_elevation", "ends_on": "deployment.finished"}),
            vec![(APPROVER, "approve", &[]), (OWNER, "finish", &["--reason", "deployment.finished"])],
        ),
        (
            "REVIEW",
            elevation,
            json!({"kind": "break_glass", "incident": "INC-7"}),
            vec![
                (APPROVER, "approve", &[]),
                (SECURITY, "approve", &[]),
                (SECURITY, "revoke", &["--reason", "mended"]),
                (SECURITY, "review", &["--reason", "no call was made"]),
            ],
        ),
        (
            "MILESTONE",
            vec![],
            exemption,
            vec![
                (SECURITY, "approve", &[]),
                (APPROVER, "approve", &[]),
                (OWNER, "milestone", &["mended", "--reason", "order 7"]),
            ],
        ),
    ]
}

/// One act by the API, with the body that its command stands for.
async fn by_api(gateway: &Gateway, (person, word, rest): Step<'_>, id: &str) -> anyhow::Result<()> {
    let body = match rest {
        [] => json!({"digest": gateway.ok(person, &["exception", "show", id]).await?["digest"]}),
        [milestone, "--reason", reason] => json!({"milestone": milestone, "reason": reason}),
        [_, reason] => json!({"reason": reason}),
        _ => anyhow::bail!("{rest:?}"),
    };
    let (status, view) = gateway.admin(person, "POST", &format!("/api/v1/exceptions/{id}/{word}"), &body).await?;
    ensure!(status == 200, "{word} of {id}: {status} {view}");
    Ok(())
}

fn of(journal: &[Value], (kind, member): (&str, &str), id: &str) -> Vec<Value> {
    journal
        .iter()
        .filter(|record| record["kind"] == json!(kind) && record[member] == json!(id))
        .filter(|record| record["actor"] != json!("postern"))
        .map(|record| bare(record, id))
        .map(|mut record| {
            record["version"].take();
            record
        })
        .collect()
}

async fn acts() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    for (level, text) in GUARDRAILS {
        let folder = gateway.folder.path().join("policies/guardrails").join(level);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("a.cedar"), text)?;
    }
    gateway.ok(ADMINISTRATOR, &["reload"]).await?;
    let (echo, remember) =
        (gateway.record("EX-X", "echo", 86_400 * 2).await?, gateway.record("EX-X", "remember", 600).await?);
    for (name, gone, new, steps) in lives() {
        let base = if name == "MILESTONE" { &echo } else { &remember };
        let ids = [format!("EX-{name}-C"), format!("EX-{name}-A")];
        for (at, id) in ids.iter().enumerate() {
            let mut record = turned(base.clone(), &gone, new.clone())?;
            record["id"] = json!(id);
            if at == 0 {
                gateway.submit(&record).await?;
            } else {
                let (status, view) = gateway.admin(REQUESTER, "POST", "/api/v1/exceptions", &record).await?;
                ensure!(status == 201, "submit {id}: {status} {view}");
            }
            for &(person, word, rest) in &steps {
                if at == 0 {
                    gateway.ok(person, &[&["exception", word, id][..], rest].concat()).await?;
                } else {
                    by_api(&gateway, (person, word, rest), id).await?;
                }
            }
        }
        let journal = gateway.journal().await?;
        let [command, api] = ids.map(|id| of(&journal, ("lifecycle", "exception"), &id));
        ensure!(command.len() > steps.len(), "{name}: {} records", command.len());
        ensure!(command == api, "{name} differs:\n{command:?}\n{api:?}");
        for (person, word, _) in steps {
            ensure!(command.iter().any(|record| record["actor"] == json!(person)), "{name}: {word} has no actor");
        }
    }
    gateway.verified().await.map(drop)
}

async fn pilots() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let base = pilot_file("PI-A", 900);
    let mut other = base.clone();
    other["id"] = json!("PI-C");
    let (status, view) = gateway.admin(REQUESTER, "POST", "/api/v1/pilots", &base).await?;
    ensure!(status == 201, "{status} {view}");
    let file = gateway.write(&other)?;
    gateway.ok(REQUESTER, &["pilot", "submit", &file]).await?;
    let (status, view) =
        gateway.admin(OWNER, "POST", "/api/v1/pilots/PI-A/end", &json!({"reason": "it went well"})).await?;
    ensure!(status == 200, "{status} {view}");
    gateway.ok(OWNER, &["pilot", "end", "PI-C", "--reason", "it went well"]).await?;
    let journal = gateway.journal().await?;
    let [api, command] = ["PI-A", "PI-C"].map(|id| of(&journal, ("pilot", "pilot"), id));
    ensure!(api.len() >= 2 && api == command, "pilots differ:\n{api:?}\n{command:?}");
    Ok(())
}

/// T091
async fn who() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    agent_key(&gateway)?;
    let told = gateway.ok(AGENT, &["whoami"]).await?;
    ensure!(told["agent"] == json!(AGENT) && told["roles"] == json!(["echoer"]), "{told}");
    ensure!(told.as_object().is_some_and(|told| told.len() == 4), "more than who it is: {told}");
    for refused in [&["exception", "list"][..], &["catalog", "list"], &["controls"], &["key", "list"]] {
        gateway.refused(AGENT, refused).await?;
    }
    let told = gateway.ok(OWNER, &["whoami"]).await?;
    ensure!(told["person"] == json!(OWNER) && told.get("agent").is_none(), "{told}");
    for (tool, answer) in [("rec__echo", "yes"), ("rec/remember", "no")] {
        let told = gateway.ok(APPROVER, &["can", "--agent", AGENT, tool]).await?;
        ensure!(told["answer"] == json!(answer) && told["roles"] == json!(["echoer"]), "{tool}: {told}");
    }
    // An exception counts while it works.
    gateway.grant(&gateway.record("EX-CAN", "remember", 600).await?).await?;
    let can = ["can", "--agent", AGENT, "rec/remember"];
    ensure!(gateway.ok(APPROVER, &can).await?["answer"] == json!("depends"), "an exception that works is not seen");
    gateway.ok(SECURITY, &["exception", "suspend", "EX-CAN", "--reason", "a look"]).await?;
    let told = gateway.ok(APPROVER, &can).await?;
    ensure!(told["answer"] == json!("no") && told["exceptions"][0].to_string().contains("suspended"), "{told}");
    Ok(())
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of an issuer, and what it publishes of it.
pub fn signer() -> anyhow::Result<(EcdsaKeyPair, Value)> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let point = pair.public_key().as_ref();
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig",
        "x": b64(&point[1..33]), "y": b64(&point[33..])}]});
    Ok((pair, jwks))
}

pub fn token(pair: &EcdsaKeyPair, methods: &[&str]) -> anyhow::Result<String> {
    let now = chrono::Utc::now().timestamp();
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"});
    let mut claims = json!({"iss": "https://idp.test", "aud": "postern", "sub": APPROVER, "client_id": "cli",
        "jti": format!("{now}-{}", methods.len()), "iat": now, "exp": now + 600});
    if !methods.is_empty() {
        claims["amr"] = json!(methods);
    }
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes())?;
    Ok(format!("{message}.{}", b64(signature)))
}

/// What the API answers, head and body, to an approval with this credential.
async fn approval(gateway: &Gateway, credential: &str, digest: &Value) -> anyhow::Result<String> {
    let config: Value = serde_json::from_str(&fs::read_to_string(gateway.folder.path().join("postern.yaml"))?)?;
    let admin = config["listen"]["admin"].as_str().context("no listener")?;
    let body = json!({"digest": digest}).to_string();
    let mut stream = tokio::net::TcpStream::connect(admin).await?;
    let head = format!(
        "POST /api/v1/exceptions/EX-MFA/approve HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\nAuthorization: Bearer \
         {credential}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// T080
async fn factor() -> anyhow::Result<()> {
    let keys = tempfile::tempdir()?;
    let (pair, jwks) = signer()?;
    let file = keys.path().join("jwks.json");
    fs::write(&file, jwks.to_string())?;
    let gateway = Gateway::with(Options {
        exceptions: json!({"approval_amr": ["mfa"]}),
        identity: json!({"issuers": [{"issuer": "https://idp.test", "audience": "postern", "jwks_file": file,
            "people": true}]}),
        ..Options::default()
    })
    .await?;
    let new = json!({"kind": "temporary_elevation", "ends_on": "deployment.finished"});
    let record = turned(gateway.record("EX-MFA", "remember", 600).await?, &["attestation", "exit"], new)?;
    let digest = gateway.submit(&record).await?["digest"].clone();
    let key = fs::read_to_string(gateway.key_file(APPROVER))?;
    let (weak, strong) = (token(&pair, &[])?, token(&pair, &["pwd", "mfa"])?);
    for credential in [key.trim(), &weak] {
        let answer = approval(&gateway, credential, &digest).await?;
        let challenge = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("www-authenticate:"));
        let asked = challenge.is_some_and(|line| line.contains("error=\"insufficient_user_authentication\""));
        ensure!(answer.starts_with("HTTP/1.1 401") && asked, "{answer}");
    }
    fs::write(gateway.key_file(APPROVER), &strong)?;
    let shown = gateway.ok(APPROVER, &["exception", "approve", "EX-MFA"]).await?;
    ensure!(shown["state"] == json!("active"), "{shown}");
    let journal = gateway.journal().await?;
    let approved = journal.iter().find(|record| record["event"]["event"] == json!("approved")).context("no record")?;
    ensure!(approved["event"]["approval"]["methods"] == json!(["mfa", "pwd"]), "{approved}");
    gateway.verified().await.map(drop)
}
