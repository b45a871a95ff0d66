//! Text of tool servers that a person or a model will read: what it hides, and whom it speaks to.

use serde_json::Value;

/// Phrases of known tool-poisoning payloads, lower case. A hit warns the approver; it refuses nothing.
const PHRASES: [&str; 20] = [
    "<important",
    "<system",
    "<secret",
    "<instructions",
    "ignore previous",
    "ignore all",
    "disregard",
    "do not tell",
    "don't tell",
    "do not mention",
    "without telling",
    "must not be told",
    "before using this tool",
    "before calling",
    "instead of using",
    "system prompt",
    ".ssh",
    "id_rsa",
    "mcp.json",
    "/etc/passwd",
];
/// Warnings about one tool.
const WARNINGS: usize = 8;

/// A character that people do not see or that reorders what they see, and where it stands.
pub(super) fn hidden(value: &Value, place: &str) -> Option<String> {
    match value {
        Value::String(text) => hidden_in(text, place),
        Value::Array(items) => items.iter().enumerate().find_map(|(i, item)| hidden(item, &format!("{place}/{i}"))),
        Value::Object(members) => members.iter().find_map(|(key, item)| {
            hidden_in(key, place).or_else(|| hidden(item, &format!("{place}/{}", escape(key))))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn hidden_in(text: &str, place: &str) -> Option<String> {
    let mut before = ' ';
    for c in text.chars() {
        if is_hidden(before, c) {
            return Some(format!("U+{:04X} at `{place}`", u32::from(c)));
        }
        before = c;
    }
    None
}

pub(super) fn is_hidden(before: char, c: char) -> bool {
    match c {
        '\n' | '\t' | '\r' => false,
        // Variation selector 16 and the joiner are plain parts of emoji, and of nothing else here.
        '\u{fe0f}' => !is_emoji_part(before) && !matches!(before, '0'..='9' | '#' | '*'),
        '\u{200d}' => !is_emoji_part(before) && before != '\u{fe0f}',
        // Fillers, marks of direction and joining, selectors, tags and private use.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{fe00}'..='\u{fe0e}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'
        | '\u{f0000}'..='\u{10ffff}' => true,
        _ => c.is_control(),
    }
}

const fn is_emoji_part(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// What in this definition speaks to the model rather than of the tool, for the approver.
pub(super) fn warnings(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    warn(value, "", &mut found);
    found
}

fn warn(value: &Value, place: &str, found: &mut Vec<String>) {
    if found.len() >= WARNINGS {
        return;
    }
    match value {
        Value::String(text) => {
            let folded = text.to_lowercase();
            if let Some(phrase) = PHRASES.iter().find(|phrase| folded.contains(*phrase)) {
                found.push(format!("`{place}` says `{phrase}`"));
            }
            if folded.contains("<!--") || folded.contains("<script") || folded.contains("javascript:") {
                found.push(format!("`{place}` holds markup"));
            }
            if text
                .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')))
                .any(|word| word.len() > 120)
            {
                found.push(format!("`{place}` holds a long encoded word"));
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| warn(item, &format!("{place}/{i}"), found))
        }
        Value::Object(members) => {
            members.iter().for_each(|(key, item)| warn(item, &format!("{place}/{}", escape(key)), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Text of a stranger, short and with everything beyond printable ASCII escaped, as people are shown it.
pub(super) fn escape(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(80)
        .flat_map(|c| if c.is_ascii_graphic() || c == ' ' { vec![c] } else { c.escape_default().collect() })
        .collect();
    if text.chars().nth(80).is_some() {
        shown.push_str("...");
    }
    shown
}
