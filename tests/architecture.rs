#![cfg(test)]
//! The house rules: doors, sizes and first lines. Changing the table of doors takes an ADR.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const LEVEL_1: &[&str] = &["domain"];
const GATEWAY: &[&str] =
    &["domain", "identity", "catalog", "exception", "monitoring", "evidence", "telemetry", "mcp", "policy", "upstream"];
const FACES: &[&str] =
    &["domain", "identity", "catalog", "exception", "monitoring", "evidence", "telemetry", "mcp", "policy", "gateway"];

/// Who may import whom: a room, and the rooms whose doors are open to it.
fn doors() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut doors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    doors.insert("domain", vec![]);
    for room in ["identity", "catalog", "exception", "monitoring", "evidence", "telemetry", "mcp"] {
        doors.insert(room, LEVEL_1.to_vec());
    }
    doors.insert("delivery", vec!["domain", "evidence", "monitoring", "telemetry"]);
    doors.insert("policy", vec!["domain", "catalog"]);
    doors.insert("analysis", vec!["domain", "catalog", "policy", "exception", "evidence"]);
    doors.insert("upstream", vec!["domain", "mcp", "catalog", "policy"]);
    doors.insert("gateway", GATEWAY.to_vec());
    doors.insert("report", vec!["domain", "exception", "evidence"]);
    doors.insert("store", FACES.to_vec());
    doors.insert("api", FACES.iter().copied().chain(["report", "delivery"]).collect());
    doors.insert("console", FACES.to_vec());
    let below_config: Vec<&str> = doors.keys().copied().collect();
    doors.insert("config", below_config);
    let below_app: Vec<&str> = doors.keys().copied().collect();
    doors.insert("app", below_app);
    let all: Vec<&str> = doors.keys().copied().collect();
    doors.insert("cli", all.clone());
    doors.insert("main", all.into_iter().chain(["cli"]).collect());
    doors
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn house() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    sources(&root.join("src"))
        .into_iter()
        .map(|path| (path.strip_prefix(root).unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn room_of(path: &Path) -> String {
    let mut parts = path.components().skip(1);
    let first = parts.next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
}

/// Lines of a file without its inline tests.
fn production(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}

/// Every `crate::room` in the text, those inside braces of one `use crate::{…}` included.
fn imports(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if let Some(inner) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in inner.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => rooms.push(std::mem::take(&mut word)),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            rooms.push(word);
        } else {
            rooms.push(rest.to_owned());
        }
    }
    rooms
        .iter()
        .map(|path| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|room| !room.is_empty())
        .collect()
}

#[test]
fn rooms_are_entered_only_through_their_doors() {
    let doors = doors();
    let mut faults = Vec::new();
    for (path, text) in house() {
        let room = room_of(&path);
        if room == "lib" || is_test(&path) {
            continue;
        }
        let Some(open) = doors.get(room.as_str()) else {
            faults.push(format!("{}: `{room}` is no room of the house", path.display()));
            continue;
        };
        for import in imports(production(&text)) {
            if import != room && !open.contains(&import.as_str()) {
                faults.push(format!("{}: `{room}` has no door to `{import}`", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_forwarding_step_can_reach_a_tool_server() {
    let faults: Vec<_> = house()
        .into_iter()
        .filter(|(path, _)| room_of(path) == "gateway" && !is_test(path))
        .filter(|(path, text)| {
            !path.ends_with("forward.rs") && imports(production(text)).iter().any(|i| i == "upstream")
        })
        .map(|(path, _)| path)
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn files_stay_small_and_an_index_stays_an_index() {
    let mut faults = Vec::new();
    for (path, text) in house() {
        let lines = production(&text).lines().count();
        let index = path.ends_with("mod.rs") || path.ends_with("lib.rs");
        let cap = if is_test(&path) {
            800
        } else if index {
            80
        } else {
            400
        };
        if lines > cap {
            faults.push(format!("{}: {lines} lines, cap {cap}", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_is_named_in_the_index_of_its_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, _) in house() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if matches!(name, "mod" | "lib" | "main") {
            continue;
        }
        let index = fs::read_to_string(root.join(path.with_file_name("mod.rs"))).unwrap();
        assert!(index.contains(&format!("mod {name};")), "{}: no index names it", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in house() {
        assert!(text.starts_with("//! ") || text.starts_with("#![cfg(test)]"), "{}: begin with `//! `", path.display());
    }
}

#[test]
fn one_line_of_the_program_reads_the_clock() {
    let found: Vec<_> = house()
        .iter()
        .filter(|(path, _)| !is_test(path))
        .flat_map(|(path, text)| production(text).matches("Utc::now(").map(|_| path.clone()).collect::<Vec<_>>())
        .collect();
    assert_eq!(found, [PathBuf::from("src/app/clock.rs")]);
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    for (path, text) in house() {
        for word in [concat!("to", "do!("), concat!("unimplem", "ented!("), concat!("FIX", "ME")] {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}
