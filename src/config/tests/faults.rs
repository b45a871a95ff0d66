//! Faulty files: each fault names file, line, path and mend, and all are told at once.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::config::load;

/// `line path: message` of every fault, with the folder cut out.
fn faults(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.yaml");
    fs::write(&file, text).unwrap();
    fs::write(folder.path().join("open.key"), "x1").unwrap();
    fs::set_permissions(folder.path().join("open.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let environment = |name: &str| (name == "SAMPLE").then(|| "Bearer changeme".to_owned());
    let findings = load(&file, true, &environment).unwrap_err();
    let here = folder.path().display().to_string();
    findings.0.iter().map(|f| format!("{} {}: {}", f.line, f.path, f.message.replace(&here, "."))).collect()
}

#[test]
fn all_faults_are_told_at_once_with_their_exact_lines() {
    let told = faults(
        "listen:
  agent: 127.0.0.1:1
  admin: nowhere
  public_url: ftp://x
limits:
  burst: 0
denials: silence
",
    );
    assert_eq!(
        told,
        [
            "2 /listen/agent: unknown key; did you mean `agents`?",
            "3 /listen/admin: `nowhere` is not an address; write IP:PORT, such as 127.0.0.1:8081",
            "4 /listen/public_url: `ftp://x` must begin with http:// or https://",
            "6 /limits/burst: 0 is less than the minimum of 1",
            "7 /denials: must be one of [\"tool_result\",\"protocol_error\"], not \"silence\"",
        ]
    );
}

#[test]
fn what_no_schema_can_say_is_told_too() {
    let told = faults(
        "policies: ./nowhere
identity:
  issuers:
    - {issuer: a, audience: b}
    - {issuer: a, audience: b, jwks_url: 'http://idp.example/jwks'}
servers:
  Bad_Name: {stdio: {command: /bin/true}}
  both:
    stdio: {command: /nowhere/x}
    http: {url: 'http://127.0.0.1:1/mcp'}
  one:
    stdio: {command: not-a-program-of-this-machine}
  web:
    http:
      url: http://127.0.0.1:1/mcp
      headers: {host: a}
",
    );
    assert_eq!(
        told,
        [
            "1 /policies: `./nowhere` is not a folder; create it or correct the path",
            "4 /identity/issuers/0: give either `jwks_url` or `jwks_file`",
            "5 /identity/issuers/1/issuer: this issuer stands twice; keep one",
            "5 /identity/issuers/1/jwks_url: keys are fetched over https only, except from loopback",
            "7 /servers/Bad_Name: `Bad_Name` cannot be a server name: 1 to 32 of a-z 0-9 -",
            "8 /servers/both: give exactly one of `stdio`, `http` and `openapi`",
            "12 /servers/one/stdio/command: `not-a-program-of-this-machine` is not in PATH; install it or write its full path",
            "15 /servers/web/http/url: a server on loopback needs `allow_private: true`",
            "16 /servers/web/http/headers/host: the gateway sets this header itself; remove it",
        ]
    );
}

#[test]
fn a_witness_that_counts_twice_or_a_quorum_that_cannot_be_had_is_a_fault() {
    let told = faults(
        "evidence:
  checkpoints:
    otlp: true
    webhook: {url: 'http://keep.example/in'}
  witnesses:
    quorum: 4
    members:
      a: {url: 'https://a.example', key: witness.example.com/w1+833da816+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f}
      b: {url: 'https://b.example', key: witness.example.com/w1+833da816+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f}
      c: {url: 'http://127.0.0.1:1', key: x+baab1e23+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f}
",
    );
    assert_eq!(
        told,
        [
            "3 /evidence/checkpoints/otlp: there is no collector: set `telemetry.otlp`, or name one here",
            "4 /evidence/checkpoints/webhook: give either `secret_file` or `secret_env`: what leaves is signed",
            "4 /evidence/checkpoints/webhook/url: it leaves over https only; plain http needs `allow_private: true`",
            "6 /evidence/witnesses/quorum: 4 of 3 witnesses can never be had",
            "9 /evidence/witnesses/members/b/key: this is the key of `a` too; one witness counts once",
            "10 /evidence/witnesses/members/c/key: a key of algorithm 1; only Ed25519 cosignatures (`cosignature/v1`, algorithm 4) are understood",
            "10 /evidence/witnesses/members/c/url: a receiver on loopback needs `allow_private: true`",
        ]
    );
}

/// T166, T169
#[test]
fn secrets_are_never_inline_placeholders_or_readable_by_others() {
    let told = faults(
        "servers:
  a:
    http:
      url: https://a.example/mcp
      headers:
        authorization: Bearer abc
        x-one: {env: GONE}
        x-two: {file: open.key}
        x-three: {env: SAMPLE}
        x-four: {env: A, file: b}
",
    );
    assert_eq!(
        told,
        [
            "6 /servers/a/http/headers/authorization: a secret does not stand in this file; write `{env: NAME}` or `{file: PATH}`",
            "7 /servers/a/http/headers/x-one: the environment variable `GONE` is not set; set it and start again",
            "8 /servers/a/http/headers/x-two: `./open.key` can be read by others than its owner; run `chmod 600 ./open.key`",
            "9 /servers/a/http/headers/x-three: the secret is a placeholder from an example; put the real one in its place",
            "10 /servers/a/http/headers/x-four: write either `{env: NAME}` or `{file: PATH}`",
        ]
    );
}

/// T016
#[test]
fn beyond_loopback_there_is_no_plaintext_unasked() {
    let told = faults("listen: {agents: '0.0.0.0:8080'}\n");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("1 /listen/agents: an address beyond loopback needs `listen.tls`"), "{told:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.yaml");
    fs::write(&file, "listen: {agents: '0.0.0.0:8080', insecure_plaintext: true}\n").unwrap();
    assert!(load(&file, true, &|_| None).unwrap().listen.insecure_plaintext);
}

#[test]
fn broken_yaml_a_wrong_type_and_a_key_that_stands_twice_name_their_line() {
    assert!(faults("data: x\nlisten: {\n")[0].starts_with("3 :"), "{:?}", faults("data: x\nlisten: {\n"));
    assert_eq!(faults("limits:\n  burst: many\n"), ["2 /limits/burst: \"many\" is not of type \"integer\""]);
    assert!(faults("data: a\ndata: b\n")[0].starts_with("2 "));
}

#[test]
fn what_is_kept_of_arguments_names_tools_and_places_and_never_a_secret_in_clear() {
    let shape = faults("evidence:\n  arguments:\n    - {tools: 'a/b', keep: clear}\n");
    let keys = "unknown key; the keys here are tools, clear, sealed, omitted, rest";
    assert_eq!(shape, [format!("3 /evidence/arguments/0/keep: {keys}")]);
    let told = faults(
        "evidence:
  arguments:
    - {tools: files}
    - tools: 'files/*'
      clear: [/path, password, /db/password]
      sealed: [/path/x]
      omitted: [/other]
      rest: omitted
",
    );
    assert_eq!(
        told,
        [
            "3 /evidence/arguments/0/tools: `files` names no tools; write `server/tool`, where either may be, or end with, `*`",
            "5 /evidence/arguments/1/clear/1: `password` is no place of an argument; write a JSON pointer, such as `/path` or `/options/mode`",
            "5 /evidence/arguments/1/clear/2: `/db/password` has the name of a secret, which is never kept in clear; seal it",
            "6 /evidence/arguments/1/sealed/0: `/path/x` and `/path` name the same or one within the other; keep one",
            "7 /evidence/arguments/1/omitted: with `rest: omitted` all is omitted that no other list names; remove `omitted`",
        ]
    );
}
