//! Types of arguments, from schemas as servers really write them.

use serde_json::{Value, json};

use super::house::{agent, call, now, set, short};
use crate::policy::model::{Input, Shape};

fn shape(property: Value) -> Result<(Shape, bool), String> {
    let schema = json!({"type": "object", "required": ["x"], "properties": {"x": property}, "$defs": {
        "color": {"enum": ["red", "blue"]},
        "loop": {"type": "array", "items": {"$ref": "#/$defs/loop"}},
    }});
    let mut input = Input::of(&schema);
    match (input.members.remove("x"), input.untyped.remove("x")) {
        (Some(member), None) => Ok((member.shape, member.required)),
        (None, Some(why)) => Err(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_servers_commonly_write_has_a_type() {
    for (property, expected) in [
        (json!({"type": "string", "format": "date-time"}), (Shape::Text, true)),
        (json!({"enum": ["a", "b"]}), (Shape::Text, true)),
        (json!({"const": 3}), (Shape::Whole, true)),
        (json!({"type": "number"}), (Shape::Decimal, true)),
        (json!({"type": ["integer", "null"]}), (Shape::Whole, false)),
        (json!({"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": null}), (Shape::Flag, false)),
        (json!({"$ref": "#/$defs/color"}), (Shape::Text, true)),
        (json!({"allOf": [{"$ref": "#/$defs/color"}]}), (Shape::Text, true)),
        (json!({"type": "array", "items": {"type": "string"}}), (Shape::Set(Box::new(Shape::Text)), true)),
    ] {
        assert_eq!(shape(property.clone()), Ok(expected), "{property}");
    }
}

#[test]
fn what_has_several_types_or_none_says_why() {
    for (property, part) in [
        (json!(true), "accepts anything"),
        (json!({}), "gives no type"),
        (json!({"type": ["string", "integer"]}), "several types"),
        (json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), "several types"),
        (json!({"allOf": [{"type": "string"}, {"minLength": 1}]}), "combines"),
        (json!({"type": "array"}), "no type in common"),
        (json!({"type": "array", "items": {"type": ["string", "null"]}}), "may be null"),
        (json!({"$ref": "#/$defs/loop"}), "refers to itself"),
        (json!({"$ref": "#/$defs/none"}), "not found"),
        (json!({"$ref": "https://example.com/x"}), "not found"),
    ] {
        let why = shape(property.clone()).unwrap_err();
        assert!(why.contains(part), "{property}: {why}");
    }
}

#[test]
fn any_name_of_an_argument_works() {
    let tool = super::house::tool(
        "x/y.z-1",
        json!({"type": "object", "required": ["a-b"], "properties": {"a-b": {"type": "string"}, "if": {"type": "integer"}}}),
    );
    let role = (
        "roles/a.cedar",
        r#"@id("x") permit (principal in Role::"r", action == Action::"x/y.z-1", resource)
           when { context.input["a-b"] == "q" && (if context.input has "if" then context.input["if"] > 2 else true) };"#,
    );
    let set = crate::policy::compile(&super::house::sources(&[role]), std::slice::from_ref(&tool)).unwrap();
    for (arguments, expected) in [
        (json!({"a-b": "q"}), "allow rbac granted"),
        (json!({"a-b": "q", "if": 3}), "allow rbac granted"),
        (json!({"a-b": "q", "if": 2}), "deny default_deny no_grant"),
    ] {
        let raw = serde_json::value::to_raw_value(&arguments).unwrap();
        let call = crate::catalog::ToolCall::check(tool.clone(), Some(&raw), Vec::new()).unwrap();
        let decision = set.decide(&super::house::agent("a", &["r"]), call, &[], super::house::now());
        assert_eq!(super::house::short(&decision), expected, "{arguments}");
    }
}

#[test]
fn whatever_way_a_policy_reads_the_context_it_finds_what_is_there() {
    for (condition, expected) in [
        ("context.input.region == \"eu\"", true),
        ("context[\"input\"][\"region\"] == \"eu\"", true),
        ("context has input && context.input has region", true),
        ("context has input.region", true),
        ("context has input.note && context.input.note == \"n\"", true),
        ("if context has user then false else true", true),
        ("[context.input.region].contains(\"eu\")", true),
        ("{a: context}.a.input.region == \"eu\"", true),
        ("{a: context.input}.a.region == \"eu\"", true),
        ("context.now > datetime(\"2026-01-01\")", true),
        ("context.now > datetime(\"2027-01-01\")", false),
    ] {
        let text = format!(
            "@id(\"x\") permit (principal in Role::\"r\", action == Action::\"crm/export\", resource) when {{ {condition} }};"
        );
        let set = super::house::set(&[("roles/a.cedar", &text)]);
        let call = super::house::call("crm/export", json!({"region": "eu", "max_rows": 1, "note": "n"}));
        let decision = set.decide(&super::house::agent("a", &["r"]), call, &[], super::house::now());
        assert_eq!(super::house::short(&decision).starts_with("allow"), expected, "{condition}");
    }
}

/// T038: a matcher that tried every way to share out the text would not come to an end here.
#[test]
fn a_pattern_of_many_stars_and_a_long_text_come_to_an_answer() {
    let pattern = "*a".repeat(2_000);
    let policy = format!(
        r#"@id("stars") permit (principal in Role::"r", action == Action::"fs/read", resource) when {{ context.input.path like "{pattern}b" }};"#
    );
    let set = set(&[("roles/a.cedar", &policy)]);
    let read = |path: String| call("fs/read", json!({"path": path}));
    let text = "a".repeat(20_000);
    let refused = set.decide(&agent("a", &["r"]), read(text.clone()), &[], now());
    assert_eq!(short(&refused), "deny default_deny no_grant");
    let allowed = set.decide(&agent("a", &["r"]), read(text + "b"), &[], now());
    assert_eq!(short(&allowed), "allow rbac granted");
}
