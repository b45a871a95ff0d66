//! What is kept of arguments.

use serde_json::{Value, json};

use crate::{
    domain::ToolRef,
    evidence::{Keep, KeepRule, Rest, Split},
};

fn tool(server: &str, tool: &str) -> ToolRef {
    ToolRef { server: server.parse().unwrap(), tool: tool.parse().unwrap() }
}

fn split(rule: KeepRule, arguments: &Value, whole: bool) -> Option<Split> {
    let secret = |place: &str, text: &str| place == "/hidden" || text.starts_with("ghp_");
    Keep::new(vec![rule]).split(&tool("files", "write"), arguments.as_object().unwrap(), whole, &secret)
}

fn rule(clear: &[&str], omitted: &[&str]) -> KeepRule {
    let list = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect();
    KeepRule { tools: "files/*".to_owned(), clear: list(clear), omitted: list(omitted), ..KeepRule::default() }
}

/// T106
#[test]
fn what_is_omitted_is_sealed_nowhere_and_what_is_clear_is_small_and_no_secret() {
    let arguments = json!({"path": "/a", "text": "long", "hidden": "x", "mode": "ghp_1", "list": [1, {"a": 2}],
        "deep": {"a/b": "y", "c": 1}, "big": "b".repeat(257), "n": 7});
    let asked = rule(&["/path", "/hidden", "/mode", "/list", "/big", "/n", "/none"], &["/text", "/deep/a~1b", "/gone"]);
    let found = split(asked, &arguments, false).unwrap();
    assert_eq!(json!(found.clear), json!({"/path": "/a", "/n": 7}));
    assert_eq!(found.omitted, ["/text", "/deep/a~1b"]);
    let reduced = Value::Object(found.reduced.unwrap());
    assert_eq!(reduced["deep"], json!({"c": 1}));
    assert!(reduced.get("text").is_none() && reduced["mode"] == json!("ghp_1"));
}

#[test]
fn an_item_of_a_list_that_is_omitted_leaves_the_others_in_their_places() {
    let found = split(rule(&[], &["/list/0"]), &json!({"list": [1, 2]}), false).unwrap();
    assert_eq!(Value::Object(found.reduced.unwrap()), json!({"list": [null, 2]}));
}

#[test]
fn with_the_rest_omitted_only_what_is_named_is_kept() {
    let rule = KeepRule { sealed: vec!["/deep/b".to_owned()], rest: Rest::Omitted, ..rule(&["/path"], &[]) };
    let found = split(rule.clone(), &json!({"path": "p", "deep": {"a": 1, "b": 2}}), false).unwrap();
    assert_eq!(Value::Object(found.reduced.unwrap()), json!({"path": "p", "deep": {"b": 2}}));
    assert_eq!(found.omitted, ["*"]);
    let found = split(rule.clone(), &json!({"other": "p"}), false).unwrap();
    assert_eq!((found.reduced, found.omitted), (None, vec!["*".to_owned()]));
    let found = split(rule, &json!({"path": "p"}), false).unwrap();
    assert_eq!((found.reduced, found.omitted), (None, vec![]), "all of it is kept, so the text is sealed as it came");
}

#[test]
fn where_a_duty_demands_all_of_it_nothing_is_left_out() {
    let found = split(rule(&["/path"], &["/text"]), &json!({"path": "p", "text": "t"}), true).unwrap();
    assert_eq!((found.reduced, found.omitted), (None, vec![]));
    assert_eq!(json!(found.clear), json!({"/path": "p"}));
}

#[test]
fn the_first_rule_that_fits_a_tool_holds_for_it_and_none_for_others() {
    let keep = Keep::new(vec![
        KeepRule { tools: "files/read*".to_owned(), ..rule(&["/a"], &[]) },
        KeepRule { tools: "f*/*".to_owned(), ..rule(&["/b"], &[]) },
    ]);
    let arguments = json!({"a": 1, "b": 2});
    let clear = |server: &str, name: &str| {
        let found = keep.split(&tool(server, name), arguments.as_object().unwrap(), false, &|_, _| false);
        found.map(|split| split.clear.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(clear("files", "read_all"), Some(vec!["/a".to_owned()]));
    assert_eq!(clear("files", "write"), Some(vec!["/b".to_owned()]));
    assert_eq!(clear("other", "read"), None);
}

#[test]
fn names_of_secrets_and_malformed_patterns_and_places_are_known() {
    for secret in
        ["/password", "/dbPassword", "/API_KEY", "/apiKey", "/auth/token", "/access-token", "/x/Tokens", "/pin"]
    {
        assert!(KeepRule::is_secret(secret), "{secret}");
    }
    for plain in ["/path", "/author", "/pinned", "/token/path", "/key", "/spin"] {
        assert!(!KeepRule::is_secret(plain), "{plain}");
    }
    for bad in ["", "a", "a/", "/b", "a*b/c", "a/**", "a/b c"] {
        assert!(!KeepRule::is_pattern(bad), "{bad}");
    }
    for bad in ["", "/", "a", "/a~2", "/~"] {
        assert!(!KeepRule::is_place(bad), "{bad}");
    }
    assert!(KeepRule::is_pattern("*/*") && KeepRule::is_pattern("a/b*") && KeepRule::is_place("/a~1b/0"));
}
