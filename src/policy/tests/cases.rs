//! The cases of the shipped policies, and what a case that fails says.

use serde_json::json;

use super::house::{set, sources, tool};
use crate::policy::{Sources, compile};

fn shipped() -> Sources {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let mut files = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
}

#[test]
fn the_shipped_policies_are_without_fault_and_their_cases_hold() {
    let path = json!({"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}, "tail": {"type": "number"}}});
    let write = json!({"type": "object", "required": ["path", "content"], "properties": {"path": {"type": "string"}, "content": {"type": "string"}}});
    let repo = json!({"type": "object", "required": ["repo_path"], "properties": {"repo_path": {"type": "string"}}});
    let log = json!({"type": "object", "required": ["repo_path"], "properties": {"repo_path": {"type": "string"}, "max_count": {"type": "integer", "default": 10}}});
    let clock = json!({"type": "object", "required": ["timezone"], "properties": {"timezone": {"type": "string"}}});
    let tools = [
        tool("files/read_text_file", path.clone()),
        tool("files/list_directory", path),
        tool("files/write_file", write),
        tool("git/git_log", log),
        tool("git/git_status", repo),
        tool("time/get_current_time", clock),
    ];
    let sources = shipped();
    let set = compile(&sources, &tools).unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(set.notes().0, [], "{}", set.notes());
    let findings = set.run_cases(&sources);
    assert_eq!(findings.0, [], "{findings}");
    // And before any tool is approved, the folder is without fault too.
    assert!(compile(&sources, &[]).is_ok());
}

#[test]
fn a_case_that_differs_names_its_line_and_both_answers() {
    let files = [
        ("roles/a.cedar", "@id(\"r\") permit (principal in Role::\"r\", action == Action::\"crm/read\", resource);"),
        (
            "tests/a.yaml",
            "cases:
  - name: one
    agent: a
    roles: [r]
    tool: crm/read
    expect:
      effect: deny
      determining: []
  - name: two
    agent: a
    tool: crm/none
    expect: {effect: deny}
  - name: three
    agent: a
    tool: crm/export
    arguments: {region: 1}
    expect: {effect: deny}
",
        ),
        ("tests/b.yaml", "cases:\n  - name: four\n    expct: {}\n"),
    ];
    let found = set(&files).run_cases(&sources(&files));
    let lines: Vec<_> = found.0.iter().map(|f| (f.file.as_str(), f.line)).collect();
    let a = "tests/a.yaml";
    assert_eq!(lines[..4], [(a, 7), (a, 8), (a, 11), (a, 16)], "{found}");
    assert!(found.0[0].message.contains("case `one`: effect is \"allow\", not \"deny\""), "{found}");
    assert!(lines[4..].iter().all(|(file, _)| *file == "tests/b.yaml") && lines.len() > 4, "{found}");
}
