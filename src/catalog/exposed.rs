//! Resources and prompts under the names that `/mcp` gives them, where servers share one space.
//!
//! A prompt is `server__name`. A resource keeps its URI behind the server's name and a plus sign, which a scheme may
//! hold and a server's name does not: `server+file:///a`. A `ui:` URI keeps its scheme, since hosts of MCP Apps look for
//! it: `ui://server+view/page`.

use serde_json::{Value, value::RawValue};

use crate::domain::ServerName;

const SEPARATOR: &str = "__";
const UI: &str = "ui://";

/// The name of a prompt on `/mcp`.
#[must_use]
pub fn expose_prompt(server: &ServerName, name: &str) -> String {
    format!("{server}{SEPARATOR}{name}")
}

/// The server and the own name of a prompt of this name on `/mcp`.
#[must_use]
pub fn resolve_prompt(exposed: &str) -> Option<(ServerName, &str)> {
    let (server, name) = exposed.split_once(SEPARATOR)?;
    Some((server.parse().ok()?, name))
}

/// The URI, or URI template, of a resource on `/mcp`.
#[must_use]
pub fn expose_uri(server: &ServerName, uri: &str) -> String {
    match uri.strip_prefix(UI) {
        Some(rest) => format!("{UI}{server}+{rest}"),
        None => format!("{server}+{uri}"),
    }
}

/// The server and the own URI of a resource of this URI on `/mcp`.
#[must_use]
pub fn resolve_uri(exposed: &str) -> Option<(ServerName, String)> {
    let (scheme, rest) = exposed.strip_prefix(UI).map_or(("", exposed), |rest| (UI, rest));
    let (server, own) = rest.split_once('+')?;
    Some((server.parse().ok()?, format!("{scheme}{own}")))
}

/// `_meta` of a tool whose page (MCP Apps, SEP-1865) is named as `/mcp` has it; nothing if it names none.
pub(super) fn meta(server: &ServerName, raw: &RawValue) -> Option<String> {
    if !raw.get().contains("resourceUri") {
        return None;
    }
    let mut meta: Value = serde_json::from_str(raw.get()).ok()?;
    let mut found = false;
    for pointer in ["/ui/resourceUri", "/ui~1resourceUri"] {
        if let Some(Value::String(uri)) = meta.pointer_mut(pointer) {
            *uri = expose_uri(server, uri);
            found = true;
        }
    }
    found.then(|| meta.to_string())
}

#[cfg(test)]
mod tests {
    use super::{expose_prompt, expose_uri, resolve_prompt, resolve_uri};

    /// T062
    #[test]
    fn an_exposed_name_leads_back_to_one_server_and_one_name() {
        let server = "fs-2".parse().unwrap();
        for uri in ["file:///a+b__c", "ui://view/page.html", "memo:x", "git+ssh://h/p", "x://{id}/{+rest}"] {
            let exposed = expose_uri(&server, uri);
            assert_eq!(resolve_uri(&exposed), Some((server.clone(), uri.to_owned())), "{exposed}");
        }
        assert_eq!(expose_uri(&server, "ui://view/page"), "ui://fs-2+view/page");
        for name in ["a", "a__b", "with space"] {
            assert_eq!(resolve_prompt(&expose_prompt(&server, name)), Some((server.clone(), name)));
        }
        assert_eq!(resolve_uri("file:///a"), None);
        assert_eq!(resolve_prompt("alone"), None);
    }
}
