//! What the commands print, as tables and as JSON, held against files that people have read.

use std::{fs, path::Path};

use anyhow::ensure;
use serde_json::json;

use super::{case, governance::pilot_file};
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, OWNER, REQUESTER, SECURITY},
};

pub fn cases() -> Vec<Case> {
    vec![case!("what the commands print is what people have read", "T105", 60, printed)]
}

/// Moments, ids and digests without what differs from run to run; columns keep their width.
fn plain(text: &str) -> String {
    let part = |one: char| one.is_ascii_alphanumeric() || "_:.-".contains(one);
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|one| part(one) != part(first)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        rest = after;
        let moment = token.len() >= 20 && token.as_bytes()[4] == b'-' && token.as_bytes()[10] == b'T';
        let prefix = ["sha256:", "crd_", "dec_"].into_iter().find(|prefix| token.starts_with(prefix));
        match prefix {
            _ if moment => out.push_str("2000-01-01T00:00:00Z"),
            Some(prefix) => out.push_str(&format!("{prefix}{}", "0".repeat(token.len() - prefix.len()))),
            None => out.push_str(token),
        }
    }
    out
}

/// `POSTERN_WRITE_TEXTS=1 cargo test --test acceptance -- "people have read"` writes the files anew.
async fn printed() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let pilot = gateway.write(&pilot_file("PI-1", 900))?;
    gateway.ok(REQUESTER, &["pilot", "submit", &pilot]).await?;
    let mut record = gateway.record("EX-A", "remember", 600).await?;
    record["pilot"] = json!("PI-1");
    gateway.grant(&record).await?;
    gateway.ok(APPROVER, &["exception", "suspend", "EX-A", "--reason", "look"]).await?;
    gateway.submit(&gateway.record("EX-B", "slow", 600).await?).await?;
    let mut wrong: Vec<String> = Vec::new();
    for (name, person, line) in [
        ("exception-list", OWNER, "exception list"),
        ("exception-show", OWNER, "exception show EX-B"),
        ("pilot-list", OWNER, "pilot list"),
        ("pilot-show", OWNER, "pilot show PI-1"),
        ("can", APPROVER, "can --agent worker rec__echo"),
        ("can-not", APPROVER, "can --agent worker rec__remember"),
        ("simulate", SECURITY, "simulate --without EX-A"),
        ("key-list", ADMINISTRATOR, "key list"),
        ("controls", OWNER, "controls"),
        ("catalog-list", OWNER, "catalog list"),
        ("whoami", SECURITY, "whoami"),
    ] {
        for format in ["table", "json"] {
            let arguments: Vec<&str> = ["--output", format].into_iter().chain(line.split(' ')).collect();
            let output = gateway.cli(person, &arguments).await?;
            let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
            let text = plain(&text.replace(&gateway.folder.path().display().to_string(), "FOLDER"));
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/acceptance/expected");
            let file = folder.join(format!("{name}.{}", if format == "json" { "json" } else { "txt" }));
            if std::env::var_os("POSTERN_WRITE_TEXTS").is_some() {
                fs::create_dir_all(&folder)?;
                fs::write(&file, &text)?;
            }
            if fs::read_to_string(&file).unwrap_or_default() != text {
                wrong.push(format!("{}:\n{text}", file.display()));
            }
        }
    }
    ensure!(wrong.is_empty(), "other than the files:\n{}", wrong.join("\n"));
    Ok(())
}
