//! Every name that documents, dashboards and rules use is one that is exposed; the document names all of them.

use std::{collections::BTreeSet, fs, path::Path};

use super::telemetry;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<String> {
    let telemetry = telemetry_of_nobody();
    let names = telemetry.metrics().names();
    names
        .iter()
        .map(|one| {
            let labels: Vec<String> = one.labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{}` | {} | {} | {} |", one.name, one.kind, labels.join(", "), one.help)
        })
        .collect()
}

fn telemetry_of_nobody() -> super::Telemetry {
    telemetry(None, 0.0)
}

#[test]
fn the_document_names_every_metric_with_its_labels() {
    let text = fs::read_to_string(root().join("docs/telemetry.md")).unwrap();
    let rows = rows();
    let missing: Vec<_> = rows.iter().filter(|row| !text.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/telemetry.md; the whole table is:\n{}", rows.join("\n"));
    let told = text.lines().filter(|line| line.starts_with("| `postern_") || line.starts_with("| `mcp_")).count();
    assert_eq!(told, rows.len(), "docs/telemetry.md names a metric that there is not");
}

#[test]
fn dashboards_and_rules_use_no_other_name() {
    let telemetry = telemetry_of_nobody();
    let mut known = BTreeSet::new();
    for one in telemetry.metrics().names() {
        if one.kind == "histogram" {
            known.extend(["_bucket", "_sum", "_count"].map(|ending| format!("{}{ending}", one.name)));
        } else {
            known.insert(one.name.clone());
        }
        known.extend(one.labels.iter().cloned());
    }
    let (mut files, mut used) = (0, BTreeSet::new());
    for folder in ["observability/grafana", "observability/prometheus"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            if path.extension().is_some_and(|ending| ending == "json") {
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
            files += 1;
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')));
            let words = words.filter(|word| word.starts_with("postern_") || word.starts_with("mcp_"));
            used.extend(words.map(|word| (word.to_owned(), path.display().to_string())));
        }
    }
    assert!(files >= 2 && used.len() > 20, "{files} files, {} names", used.len());
    let foreign: Vec<_> = used.iter().filter(|(word, _)| !known.contains(word)).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
}
