//! F7: a name is ASCII of its rule or no name at all, and what agents see belongs to one tool of one server.

use std::collections::BTreeMap;

use postern::{
    catalog::{Names, Tool, admit},
    domain::{ExposedName, ServerName, ToolName},
};
use serde_json::{json, value::RawValue};

/// Pairs that are read.
const PAIRS: usize = 8;

/// The promise. Lines are servers and tools in turn.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    lines.iter().for_each(|line| parsed(line));
    let (mut taken, mut seen) = (Names::default(), BTreeMap::new());
    for pair in lines.chunks_exact(2).take(PAIRS) {
        let Ok(server) = pair[0].parse::<ServerName>() else { continue };
        let Some(tool) = admitted(&server, pair[1], &mut taken) else {
            let held = seen.values().any(|known| *known == (server.clone(), pair[1].to_owned()));
            let long = server.as_str().len() + 2 + pair[1].len() > 64;
            assert!(held || long || !tool_name(pair[1]) || clash(&seen, &server, pair[1]), "{server} {}", pair[1]);
            continue;
        };
        let exposed = tool.exposed.as_str();
        assert!(exposed.len() <= 64 && tool_name(exposed), "{exposed}");
        assert_eq!((tool.reference.server.as_str(), tool.reference.tool.as_str()), (server.as_str(), pair[1]));
        let (prefix, rest) = exposed.split_once("__").expect("every exposed name says its server");
        assert_eq!(prefix, server.as_str(), "a name points at another server");
        assert!(rest == pair[1] || exposed.len() == 64, "a short name is not the tool's own");
        let alone = admitted(&server, pair[1], &mut Names::default()).expect("it was admitted");
        assert_eq!(alone.exposed, tool.exposed, "a name depends on what else is listed");
        let before = seen.insert(exposed.to_owned(), (server, pair[1].to_owned()));
        assert_eq!(before, None, "one name for two tools");
    }
}

fn admitted(server: &ServerName, tool: &str, taken: &mut Names) -> Option<Tool> {
    let definition = json!({"name": tool, "inputSchema": {"type": "object"}}).to_string();
    let raw = RawValue::from_string(definition).expect("JSON");
    match admit(server, &raw, taken) {
        Ok(tool) => Some(tool),
        Err(refused) => {
            assert!(!refused.to_string().contains(char::is_control), "a refusal carries control characters");
            None
        }
    }
}

/// Whether another tool has the short form of this name already: `a` + `__b__c`, or an alias.
fn clash(seen: &BTreeMap<String, (ServerName, String)>, server: &ServerName, tool: &str) -> bool {
    seen.contains_key(&format!("{server}__{tool}"))
}

fn parsed(line: &str) {
    let server =
        (1..=32).contains(&line.len()) && line.bytes().all(|b| b"abcdefghijklmnopqrstuvwxyz0123456789-".contains(&b));
    assert_eq!(line.parse::<ServerName>().is_ok(), server);
    assert_eq!(line.parse::<ToolName>().is_ok(), tool_name(line));
    match line.parse::<ExposedName>() {
        Ok(name) => assert!(tool_name(line) && name.as_str() == line),
        Err(refused) => assert!(!tool_name(line) && !refused.to_string().contains(char::is_control)),
    }
}

fn tool_name(name: &str) -> bool {
    (1..=128).contains(&name.chars().count()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}
