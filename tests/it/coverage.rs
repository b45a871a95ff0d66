//! Coverage lists: threats by the tests that name them, examples by what the rooms say of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use postern::{
    catalog::{Names, Tool, admit},
    config::read_policies,
    domain::{Document, ServerName},
    exception,
    policy::{SourceFile, Sources, compile},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Threats of priority 0 in the groups A, B, D, E and F, all of E and F, and T030. A row is moved from `open` to `tested`, never
/// taken out.
const THREATS: usize = 55;
/// Invariants of exceptions.
const INVARIANTS: usize = 20;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|it| it == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The part of a source file that is a test: all of it in a folder `tests`, else its inline tests. What the code
/// itself says of a threat shows nothing.
fn tests_in<'a>(path: &Path, text: &'a str) -> &'a str {
    if path.strip_prefix(root()).unwrap().components().any(|part| part.as_os_str() == "tests") {
        return text;
    }
    text.find("#[cfg(test)]\nmod tests {").map_or("", |at| &text[at..])
}

fn is_threat(word: &str) -> bool {
    word.len() == 4 && word.starts_with('T') && word[1..].bytes().all(|b| b.is_ascii_digit())
}

/// `I1` and so on.
fn is_invariant(word: &str) -> bool {
    let number = word.strip_prefix('I').and_then(|number| number.parse::<usize>().ok());
    number.is_some_and(|number| (1..=INVARIANTS).contains(&number) && word == format!("I{number}"))
}

/// Threats, or invariants, that some test names.
fn named(is_one: fn(&str) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in ["src", "tests"].iter().flat_map(|folder| files(&root().join(folder), "rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let words = tests_in(&path, &text).split(|c: char| !c.is_alphanumeric() && c != '_');
        found.extend(words.filter(|word| is_one(word)).map(str::to_owned));
    }
    found
}

/// A list: id → (is it tested?, title).
fn listed(list: &str, is_one: fn(&str) -> bool) -> BTreeMap<String, (bool, String)> {
    let mut rows = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut parts = line.splitn(3, ' ');
        let (id, mark, title) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap().trim());
        assert!(is_one(id) && !title.is_empty(), "not a row: {line}");
        assert!(["tested", "open"].contains(&mark), "{id} is `{mark}`, not `tested` or `open`");
        assert!(rows.insert(id.to_owned(), (mark == "tested", title.to_owned())).is_none(), "{id} stands twice");
    }
    rows
}

#[test]
fn a_threat_is_tested_where_a_test_names_it_and_open_where_none_does() {
    let listed = listed(include_str!("threats.txt"), is_threat);
    assert_eq!(listed.len(), THREATS, "a threat was added or taken out");
    hold(&listed, &named(is_threat));
}

/// Each invariant of exceptions has a test that names it.
#[test]
fn an_invariant_is_tested_where_a_test_names_it_and_open_where_none_does() {
    let listed = listed(include_str!("invariants.txt"), is_invariant);
    assert_eq!(listed.len(), INVARIANTS, "an invariant was added or taken out");
    hold(&listed, &named(is_invariant));
}

fn hold(listed: &BTreeMap<String, (bool, String)>, named: &BTreeSet<String>) {
    let mut faults = Vec::new();
    for (id, (tested, title)) in listed {
        match (tested, named.contains(id)) {
            (true, false) => faults.push(format!("{id} is listed as tested, and no test names it: {title}")),
            (false, true) => faults.push(format!("{id} is listed as open, and a test names it: mark it tested")),
            (true, true) => {}
            (false, false) => println!("open: {id} {title}"),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[derive(Deserialize)]
struct Reply {
    result: Listing,
}

#[derive(Deserialize)]
struct Listing {
    tools: Vec<Box<RawValue>>,
}

/// What the tool server of the quickstart lists, asked as the gateway asks it.
fn quickstart_tools(folder: &Path) -> Vec<Arc<Tool>> {
    let request = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}});
    let mut server = Command::new("python3")
        .arg("notes_server.py")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(server.stdin.take().unwrap(), "{request}").unwrap();
    let output = server.wait_with_output().unwrap();
    let Reply { result } = serde_json::from_slice(&output.stdout).unwrap();
    let name: ServerName = "notes".parse().unwrap();
    let mut names = Names::default();
    result.tools.iter().map(|raw| Arc::new(admit(&name, raw, &mut names).unwrap())).collect()
}

#[test]
fn quickstart_policies_are_sound() {
    let folder = root().join("examples/quickstart");
    let tools = quickstart_tools(&folder);
    assert!(!tools.is_empty());
    let read = read_policies(&folder.join("policies")).unwrap();
    let files = read.policies.into_iter().map(|file| SourceFile { path: file.path, text: file.text });
    let sources = Sources { files: files.collect() };
    let set = compile(&sources, &tools).unwrap_or_else(|findings| panic!("{findings}"));
    assert!(set.notes().0.is_empty(), "{}", set.notes());
    let differences = set.run_cases(&sources);
    assert!(differences.0.is_empty(), "{differences}");
    assert!(sources.files.iter().any(|file| file.path.starts_with("tests/")), "no cases were run");
}

#[test]
fn every_exception_of_the_examples_is_a_record() {
    let records = files(&root().join("examples"), "yaml");
    let live = |path: &&PathBuf| path.parent().unwrap().ends_with("policies/exceptions");
    for path in records.iter().filter(live) {
        // Whatever stands there is held against what was approved under its id.
        assert!(!fs::read_to_string(path).unwrap().contains("@DIGEST@"), "{}: a template", path.display());
    }
    let records: Vec<_> =
        records.into_iter().filter(|path| path.parent().unwrap().ends_with("quickstart/records")).collect();
    assert!(!records.is_empty());
    for path in records {
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("@DIGEST@", &format!("sha256:{}", "0".repeat(64)))
            .replace("@NOT_BEFORE@", "2026-11-02T00:00:00Z")
            .replace("@NOT_AFTER@", "2026-11-30T00:00:00Z");
        let document = Document::parse(&path.to_string_lossy(), &text);
        let spec = document.and_then(|document| exception::parse(&document));
        spec.unwrap_or_else(|findings| panic!("{findings}"));
    }
}

/// The room that decides is given everything: files, tools, subject, time.
#[test]
fn the_decision_reads_nothing_but_what_it_is_given() {
    let mut faults = Vec::new();
    // Proofs run a solver as a child; no decision asks them.
    let proofs = root().join("src/policy/proof");
    let (proving, deciding): (Vec<_>, Vec<_>) =
        files(&root().join("src/policy"), "rs").into_iter().partition(|path| path.starts_with(&proofs));
    assert!(!proving.is_empty());
    for path in deciding {
        if path.file_name().is_some_and(|name| name != "mod.rs") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("proof::"), "{} asks a proof", path.display());
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = &text[..text.len() - tests_in(&path, &text).len()];
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let words: BTreeSet<&str> =
            lines.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).collect();
        for word in ["fs", "net", "env", "io", "process", "thread", "tokio", "SystemTime", "Instant", "Clock"] {
            if words.contains(word) {
                faults.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
