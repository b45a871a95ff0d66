//! Documents: what becomes a tool, what is left out, and what is a fault.

use serde_json::{Value, json};

use super::{
    openapi_support::{ApiPeer, Behind, reply},
    support::{dispatch, failed, quick, ready, server, until},
};
use crate::{
    domain::Findings,
    upstream::{
        Choice, FailureKind, OpenApiSettings, ServerSettings, ServerState, Source, Transport, Upstreams, check_document,
    },
};

fn check_text(text: &str, choice: &Choice) -> Result<Findings, Findings> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api");
    std::fs::write(&file, text).unwrap();
    let cut = |findings: Findings| {
        let cut = |mut finding: crate::domain::Finding| {
            finding.file = String::new();
            finding
        };
        Findings(findings.0.into_iter().map(cut).collect())
    };
    check_document(&server("s"), &file, choice).map(cut).map_err(cut)
}

fn placed() -> Choice {
    Choice { placed: true, ..Choice::default() }
}

fn with_optional(parameter: Value) -> Value {
    json!({"/a": {"get": {"operationId": "op", "parameters": [parameter]}}})
}

/// What is left out of a document with these paths.
fn left_out(paths: Value) -> String {
    let document = json!({"openapi": "3.1.0", "paths": paths});
    check_text(&document.to_string(), &placed()).unwrap().to_string()
}

fn faults(text: &str) -> String {
    check_text(text, &placed()).unwrap_err().to_string()
}

fn with(parameter: Value) -> Value {
    let mut parameter = parameter;
    if parameter.get("name").is_some() {
        parameter["required"] = json!(true);
    }
    with_optional(parameter)
}

#[tokio::test]
async fn an_operation_becomes_a_tool_with_a_typed_schema() {
    let document = json!({"openapi": "3.0.3", "info": {"title": "x"}, "paths": {"/pets/{id}": {
        "parameters": [
            {"$ref": "#/components/parameters/Id"},
            {"name": "limit", "in": "query", "schema": {"type": "integer"}}
        ],
        "put": {
            "operationId": "put pet!", "summary": "Change a pet", "description": "All of it.", "deprecated": true,
            "parameters": [{"name": "limit", "in": "query", "required": true, "description": "How many",
                "schema": {"type": "integer", "minimum": 0, "exclusiveMinimum": true, "nullable": true, "example": 5}}],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
        }
    }}, "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}},
        "schemas": {"Pet": {"type": "object", "required": ["id", "name"], "xml": {"name": "p"}, "properties": {
            "id": {"type": "string", "readOnly": true},
            "name": {"type": "string", "x-order": 1},
            "mother": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/Pet"}]}
        }}}
    }});
    let api = Behind::quiet(&document).await;
    assert_eq!(
        api.definition("put_pet"),
        json!({
            "name": "put_pet",
            "title": "Change a pet",
            "description": "Deprecated. Change a pet\n\nAll of it.",
            "annotations": {"readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": true},
            "inputSchema": {
                "type": "object",
                "$comment": "PUT /pets/{id}; id = path id (simple); limit = query limit (form exploded); body as application/json",
                "additionalProperties": false,
                "required": ["id", "limit", "body"],
                "properties": {
                    "id": {"type": "string"},
                    "limit": {"type": ["integer", "null"], "exclusiveMinimum": 0, "description": "How many", "examples": [5]},
                    "body": {"$ref": "#/$defs/Pet"}
                },
                "$defs": {"Pet": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string"},
                    "mother": {"anyOf": [{"allOf": [{"$ref": "#/$defs/Pet"}]}, {"type": "null"}]}
                }}}
            }
        })
    );
    let _sent =
        api.send("put_pet", json!({"id": "7", "limit": 1, "body": {"name": "Rex", "mother": {"name": "Mia"}}})).await;
    let came = api.peer.last();
    assert_eq!((came.method.as_str(), came.target.as_str()), ("PUT", "/base/pets/7?limit=1"));
    let body: Value = serde_json::from_str(&came.body).unwrap();
    assert_eq!(body, json!({"name": "Rex", "mother": {"name": "Mia"}}));
    assert_eq!(api.upstreams.health()[&server("s")].version, Some("OpenAPI 3.0"));
}

#[tokio::test]
async fn names_that_stand_in_two_places_name_their_place() {
    let api = Behind::quiet(&json!({"openapi": "3.1.0", "paths": {"/a/{id}": {"post": {"parameters": [
        {"name": "id", "in": "path", "required": true, "schema": {}},
        {"name": "id", "in": "query", "schema": {}},
        {"name": "body", "in": "query", "schema": {}},
        {"name": "other", "in": "query", "schema": {}}
    ]}}}}))
    .await;
    let schema = &api.definition("post_a_id")["inputSchema"];
    let names: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, ["body_in_query", "id_in_path", "id_in_query", "other"]);
    let _sent = api.send("post_a_id", json!({"id_in_path": 1, "id_in_query": 2, "body_in_query": 3})).await;
    let target = api.peer.last().target;
    assert!(target.starts_with("/base/a/1?") && target.contains("id=2") && target.contains("body=3"), "{target}");
}

#[test]
fn what_cannot_be_carried_is_left_out_and_says_why() {
    for (paths, said) in [
        (
            json!({"/a": {"post": {"operationId": "op", "requestBody": {"content": {"multipart/form-data": {}}}}}}),
            "/paths/~1a/post/requestBody/content: the operation `op` is left out: its body must be application/json or application/x-www-form-urlencoded, and is `multipart/form-data`",
        ),
        (
            with(json!({"name": "q", "in": "query", "style": "matrix", "schema": {}})),
            "/paths/~1a/get/parameters/0: the operation `op` is left out: the style `matrix` is not carried in the query; use form, spaceDelimited, pipeDelimited or deepObject",
        ),
        (
            with(json!({"name": "q", "in": "query", "schema": {"$ref": "https://x.example/a.json"}})),
            "does not point into this document (`#/…`); bundle the documents into one",
        ),
        (
            with(json!({"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/No"}})),
            "`$ref` to `#/components/schemas/No` leads to nothing",
        ),
        (with(json!({"$ref": "#/paths/~1a/get/parameters/0"})), "a `$ref` leads back to itself"),
        (with(json!({"name": "q", "in": "query", "schema": {"$id": "x"}})), "`$id` is not read"),
        (
            with(json!({"name": "q", "in": "query", "schema": {"type": "object"}})),
            "could name any parameter of the query",
        ),
        (with(json!({"name": "q", "in": "cookie", "schema": {"type": "array"}})), "does not travel in a cookie"),
        (with(json!({"name": "Host", "in": "header", "schema": {}})), "the header `Host` is not for callers to set"),
        (with(json!({"name": "X-HTTP-Method-Override", "in": "header", "schema": {}})), "is not for callers to set"),
        (with(json!({"name": "a b", "in": "header", "schema": {}})), "`a b` is not the name of a header"),
        (with(json!({"name": "x", "in": "path", "schema": {}})), "the path has no `{x}` for its parameter"),
        (json!({"/a/{x}": {"get": {"operationId": "op"}}}), "the path holds `{x}`, which is none of its parameters"),
        (json!({"/a/../b": {"get": {"operationId": "op"}}}), "must not hold `.` or `..`"),
        (json!({"/a?b=c": {"get": {"operationId": "op"}}}), "characters that cannot stand in one"),
        (
            json!({"/a": {"get": {"operationId": "op", "parameters": [
            {"name": "o", "in": "query", "schema": {"type": "object", "properties": {"q": {}}}}, {"name": "q", "in": "query", "schema": {}}]}}}),
            "the member `q` of the exploded object `o` is also another parameter",
        ),
        (
            json!({"/a": {"get": {"operationId": "x y"}}, "/b": {"get": {"operationId": "x.y"}, "put": {"operationId": "x/y"}}}),
            "/paths/~1b/put: more than one operation would be the tool `x_y`; give each its operationId",
        ),
        (
            json!({"/a": {"get": {"operationId": "op", "parameters": [{"name": "q", "in": "query", "schema": {"description": "x".repeat(70_000)}}]}}}),
            "the tool's schema would be larger than 64 KiB",
        ),
    ] {
        let left = left_out(paths);
        assert!(left.contains(said), "{left}\nnot\n{said}");
    }
    assert_eq!(
        left_out(with_optional(json!({"name": "q", "in": "query", "style": "matrix", "schema": {}}))),
        "/paths/~1a/get/parameters/0: the operation `op` does without a parameter: the style `matrix` is not carried in the query; use form, spaceDelimited, pipeDelimited or deepObject"
    );
    let both = left_out(json!({"/a": {"get": {"operationId": "x y"}}, "/b": {"put": {"operationId": "x/y"}}}));
    assert_eq!(both.lines().count(), 2, "none of the two wins: {both}");
}

#[test]
fn faults_of_a_document_name_place_and_mend() {
    assert_eq!(faults(r#"{"swagger":"2.0"}"#), "/swagger: this is Swagger 2.0; convert it to OpenAPI 3.0 or 3.1");
    assert_eq!(faults(r#"{"openapi":"4.0.0"}"#), "/openapi: `4.0.0` is not read; give OpenAPI 3.0.x or 3.1.x");
    assert_eq!(
        faults(r#"{"openapi":"3.1.0"}"#),
        "/paths: `paths` is missing or no object; without it there are no operations"
    );
    assert_eq!(faults(r#"{"a":1,"a":2}"#), "the key `a` stands twice in one object");
    assert!(faults("a: !x 1\n").contains("tags are not read here"));
    assert!(faults("a: &x [*x]\n").contains("stands within what it repeats"));
    let mut laughs = "a0: &a0 [xxxxxxxx, xxxxxxxx]\n".to_owned();
    for n in 1..40 {
        laughs += &format!("a{n}: &a{n} [*a{m}, *a{m}, *a{m}, *a{m}]\n", m = n - 1);
    }
    assert!(faults(&laughs).contains("too large"));
    assert!(faults("a: 1\na: 2\n").contains("stands twice"));
    assert!(faults(&"- ".repeat(200)).contains("nested deeper"));
    assert!(faults(&"[".repeat(200)).contains("nested deeper"));
    let text = r#"{"openapi":"3.0.0","paths":{"/a":{"get":{"operationId":"listPets","tags":["pets"]}}}}"#;
    let choice = Choice { operations: ["listPet".to_owned()].into(), tags: ["pet".to_owned()].into(), ..placed() };
    assert_eq!(
        check_text(text, &choice).unwrap_err().to_string(),
        "/paths: no operation `listPet` to include; the nearest is `listPets`\n/paths: no tag `pet` to include; the nearest is `pets`"
    );
    let unplaced = check_text(text, &Choice::default()).unwrap_err().to_string();
    assert_eq!(unplaced, "/servers: the document does not say where the API is; set `openapi.url`");
}

#[tokio::test]
async fn operations_are_chosen_by_id_or_tag() {
    let document = json!({"openapi": "3.1.0", "paths": {
        "/a": {"get": {"operationId": "a", "tags": ["x"]}, "head": {"operationId": "h"}},
        "/b": {"get": {"operationId": "b", "tags": ["y"]}, "post": {"tags": ["z"]}},
        "/c": {"get": {"operationId": "c"}}
    }});
    let names = |api: &Behind| {
        let names = api
            .definitions()
            .into_iter()
            .map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap()["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let start = |operations: &[&str], tags: &[&str]| {
        let (operations, tags) =
            (operations.iter().map(|s| (*s).to_owned()).collect(), tags.iter().map(|s| (*s).to_owned()).collect());
        Behind::start(
            &document,
            |_| reply(200, "text/plain", "x"),
            |api| {
                api.choice = Choice { operations, tags, ..Choice::default() };
            },
        )
    };
    assert_eq!(names(&Behind::quiet(&document).await), ["a", "b", "post_b", "c"]);
    assert_eq!(names(&start(&["c"], &["x"]).await), ["a", "c"]);
    assert_eq!(names(&start(&["post_b"], &[]).await), ["post_b"]);
}

#[test]
fn yaml_is_read_with_unquoted_numbers_as_keys() {
    let text = "openapi: 3.0.1\nservers:\n  - url: https://{h}.example/v1\n    variables: {h: {default: &a api}}\nx-again: {again: *a}\npaths:\n  /a:\n    get:\n      operationId: op\n      responses:\n        200: {description: ok}\n";
    assert_eq!(check_text(text, &Choice::default()).unwrap(), Findings::default());
}

/// T140
#[tokio::test]
async fn a_changed_document_is_read_again_and_an_old_approval_does_not_reach_a_new_operation() {
    let at = |path: &str| json!({"openapi": "3.1.0", "paths": {path: {"get": {"operationId": "op"}}}});
    let api = Behind::quiet(&at("/old")).await;
    let before = api.call("op", &json!({}));
    let old = api.definition("op");
    api.rewrite(&at("/new").to_string());
    until("it is read again", || api.definition("op") != old).await;
    let end = api.upstreams.send(before, dispatch()).await;
    assert_eq!(failed(end), (FailureKind::Down, false));
    assert_eq!(api.target(json!({})).await, "/base/new");
    api.rewrite("{");
    until("it is faulty", || api.upstreams.health()[&server("s")].state == ServerState::Down).await;
    assert!(api.upstreams.errors_of(&server("s")).unwrap().contains("not valid JSON"));
    assert_eq!(api.target(json!({})).await, "/base/new", "what was read last stays in force");
}

/// T126
#[tokio::test]
async fn a_document_that_is_fetched_cannot_send_credentials_elsewhere() {
    let host = ApiPeer::start(|_| {
        let document = json!({"openapi": "3.1.0", "servers": [{"url": "http://127.0.0.2:9/"}], "paths": {"/a": {"get": {"operationId": "op"}}}});
        reply(200, "application/json", document.to_string())
    })
    .await;
    let start = |url: Option<http::Uri>| {
        let mut api = OpenApiSettings::new(Source::Url(host.url("/openapi.json")));
        (api.url, api.allow_private) = (url, true);
        api.headers = [("authorization".to_owned(), crate::domain::Secret::new("Bearer key".to_owned()))].into();
        let settings =
            ServerSettings { patience: quick(), ..ServerSettings::new(server("s"), Transport::OpenApi(Box::new(api))) };
        Upstreams::start(vec![settings]).unwrap()
    };
    let upstreams = start(None);
    until("it is refused", || upstreams.health()[&server("s")].failures > 0).await;
    assert!(upstreams.errors_of(&server("s")).unwrap().contains("on another host than its own"));
    upstreams.stop().await;
    ready(&start(Some("http://127.0.0.3:9/".parse().unwrap()))).await;
    assert_eq!(host.last().header("authorization"), None, "another host keeps the document only");
    ready(&start(Some(host.url("/v1")))).await;
    assert_eq!(host.last().header("authorization"), Some("Bearer key"));
}

/// A document whose every part can be broken.
const SAMPLE: &str = r##"{"openapi":"3.0.3","servers":[{"url":"/v1"}],"paths":{"/a/{id}/b":{"parameters":[{"$ref":"#/components/parameters/id"}],
"post":{"operationId":"op","tags":["t"],"parameters":[{"name":"q","in":"query","style":"deepObject","schema":{"type":"object","nullable":true}}],
"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/P"}}}},"responses":{"200":{"content":{"application/json":
{"schema":{"$ref":"#/components/schemas/P"}}}}}}}},"components":{"parameters":{"id":{"name":"id","in":"path","required":true,"schema":{"type":"integer"}}},
"schemas":{"P":{"type":"object","required":["n"],"properties":{"n":{"readOnly":true},"m":{"$ref":"#/components/schemas/P"}}}}}}"##;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// T031
    #[test]
    fn a_broken_document_is_a_fault_or_less_and_never_the_end(at in 0..SAMPLE.len(), skip in 0..12_usize, put in "[\\]\\[{}:,\"#$/a-z0-9 &*!-]{0,3}", yaml: bool) {
        let end = (at + skip).min(SAMPLE.len());
        let text = format!("{}{}{put}{}", if yaml { "# yaml\n" } else { "" }, &SAMPLE[..at], &SAMPLE[end..]);
        let _read = check_text(&text, &placed());
    }
}
