//! The rules for the headers of a modern `tools/call`, one after the other: what is refused, and how.

use serde_json::Value;

pub const HOSTS: [&str; 2] = ["localhost:8080", "[::1]:8080"];
pub const ORIGINS: [&str; 1] = ["http://good.test"];

/// The status of HTTP and the code of JSON-RPC (0 for a result) for these headers on a call of `name`.
pub fn judge(headers: &[(String, Vec<u8>)], name: &str, arguments: &Value) -> (u16, i64) {
    let all = |wanted: &str| -> Vec<&[u8]> {
        headers.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_slice()).collect()
    };
    let ours = ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"];
    if ours.iter().any(|name| all(name).len() > 1) {
        return (400, -32020);
    }
    let [host] = all("host")[..] else { return (400, -32600) };
    if host.is_empty() || !host.iter().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(b)) {
        return (400, -32600);
    }
    if !HOSTS.iter().any(|served| served.as_bytes() == host.to_ascii_lowercase()) {
        return (403, -32600);
    }
    match all("origin")[..] {
        [] => {}
        [one] if ORIGINS.iter().any(|served| served.as_bytes() == one.to_ascii_lowercase()) => {}
        _ => return (403, -32600),
    }
    let says = |header: &str, expected: &str| match all(header)[..] {
        [one] => text(one).as_deref() == Some(expected),
        _ => false,
    };
    // A revision is a date: it needs no encoding, so none is read.
    let version = all("mcp-protocol-version") == [b"2026-07-28"];
    if !version || !says("mcp-method", "tools/call") {
        return (400, -32020);
    }
    if name.contains(char::is_control) {
        return (400, -32602);
    }
    if !says("mcp-name", name) {
        return (400, -32020);
    }
    let parameters = [("mcp-param-region", "/region"), ("mcp-param-count", "/count"), ("mcp-param-flag", "/deep/flag")];
    let agrees = |(header, place): (&str, &str)| match (arguments.pointer(place), &all(header)[..]) {
        (None | Some(Value::Null), given) => given.is_empty(),
        (Some(expected), [given]) => text(given).is_some_and(|given| same(expected, &given)),
        _ => false,
    };
    if parameters.into_iter().all(agrees) { (200, 0) } else { (400, -32020) }
}

fn same(expected: &Value, given: &str) -> bool {
    match expected {
        Value::String(text) => text == given,
        Value::Bool(flag) => flag.to_string() == given,
        Value::Number(number) => {
            let json = !given.starts_with(['+', '.']) && serde_json::from_str::<f64>(given).is_ok();
            json && given.trim() == given && given.parse::<f64>().ok() == number.as_f64()
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// What a value says: itself, or what stands in base64 between the marks.
pub fn text(value: &[u8]) -> Option<String> {
    if !value.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\t') {
        return None;
    }
    match value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?=")) {
        Some(inner) => String::from_utf8(base64(inner)?).ok(),
        None => String::from_utf8(value.to_vec()).ok(),
    }
}

/// RFC 4648 section 4, canonical form only: padded, and no bit left over.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bits = String::new();
    for byte in &text[..text.len() - padding] {
        bits += &format!("{:06b}", LETTERS.iter().position(|letter| letter == byte)?);
    }
    let (whole, rest) = bits.split_at(bits.len() / 8 * 8);
    if rest.contains('1') || rest.len() != [0, 2, 4][padding] {
        return None;
    }
    (0..whole.len() / 8).map(|at| u8::from_str_radix(&whole[at * 8..at * 8 + 8], 2).ok()).collect()
}
