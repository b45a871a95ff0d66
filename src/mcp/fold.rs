//! Keys that a careless reader takes for a known one (T021): other case, look-alikes, invisible characters.

/// Members of `params` that mean something to some reader, and so may have no double.
pub(super) const PARAMS: [&str; 22] = [
    "_meta",
    "arguments",
    "capabilities",
    "clientInfo",
    "cursor",
    "data",
    "inputResponses",
    "level",
    "message",
    "name",
    "notifications",
    "progress",
    "progressToken",
    "protocolVersion",
    "reason",
    "ref",
    "requestId",
    "requestState",
    "task",
    "taskId",
    "total",
    "uri",
];

/// Members of `_meta` that mean something to some reader.
pub(super) const META: [&str; 9] = [
    "baggage",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/subscriptionId",
    "progressToken",
    "traceparent",
    "tracestate",
];

/// Members of the envelope.
pub(super) const ENVELOPE: [&str; 6] = ["error", "id", "jsonrpc", "method", "params", "result"];

/// The known key that this one looks like without being it.
pub(super) fn look_alike(key: &str, known: &[&'static str]) -> Option<&'static str> {
    if known.contains(&key) {
        return None;
    }
    // A key of another length cannot fold to a known one unless it holds more than ASCII.
    let may = |name: &&&'static str| !key.is_ascii() || key.trim().len() == name.len();
    known.iter().filter(may).find(|name| folds_to(key, name)).copied()
}

fn folds_to(key: &str, name: &str) -> bool {
    let folded = key.chars().filter(|c| !invisible(*c)).flat_map(fold);
    folded.eq(name.chars().flat_map(fold))
}

/// Case folding, with the letters that fold or compose to ASCII ones.
fn fold(c: char) -> impl Iterator<Item = char> {
    let c = match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{131}' | '\u{130}' => 'i',
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c),
        _ => c,
    };
    c.to_lowercase()
}

fn invisible(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::{PARAMS, look_alike};

    /// T021
    #[test]
    fn a_key_that_only_looks_like_a_known_one_is_found() {
        for key in ["Name", "NAME", "name ", "na\u{200b}me", "\u{ff4e}ame", "na\u{ad}me"] {
            assert_eq!(look_alike(key, &PARAMS), Some("name"), "{key:?}");
        }
        assert_eq!(look_alike("argument\u{17f}", &PARAMS), Some("arguments"));
        assert_eq!(look_alike("tas\u{212a}", &PARAMS), Some("task"));
        for key in ["name", "names", "x-name", "nom", ""] {
            assert_eq!(look_alike(key, &PARAMS), None, "{key:?}");
        }
    }
}
