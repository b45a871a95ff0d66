//! Defaults, and a file with everything in it.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

use crate::config::{Denials, Jwks, Transport, Trust, load, operator};

fn no_environment(_: &str) -> Option<String> {
    None
}

#[test]
fn no_file_and_an_empty_file_both_give_safe_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.yaml");
    let without = load(&file, false, &no_environment).unwrap();
    assert_eq!(without.file, None);
    fs::write(&file, "").unwrap();
    let empty = load(&file, true, &no_environment).unwrap();
    assert_eq!(empty.file.as_deref(), Some(file.as_path()));
    for settings in [without, empty] {
        assert_eq!(settings.listen.agents.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.listen.admin.to_string(), "127.0.0.1:8081");
        assert_eq!(settings.data, folder.path().join("data"));
        assert_eq!(settings.policies, folder.path().join("policies"));
        assert!(settings.servers.is_empty() && settings.identity.issuers.is_empty());
        assert_eq!((settings.limits.rate_per_second, settings.limits.burst), (20, 40));
        assert_eq!(settings.denials, Denials::ToolResult);
        assert_eq!(settings.telemetry.otlp, None);
    }
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let findings = load(&folder.path().join("gone.yaml"), true, &no_environment).unwrap_err();
    assert!(findings.0[0].message.starts_with("cannot read the file"), "{findings}");
}

const WHOLE: &str = "
listen: {agents: '127.0.0.1:0', admin: '127.0.0.1:0', public_url: 'https://Tools.Example/', hosts: [Tools.Example], origins: ['https://app.example']}
data: ./state
policies: ./rules
store: {durability: all, commit_timeout_ms: 100}
identity:
  issuers: [{issuer: 'https://idp.example', audience: 'https://tools.example/mcp', jwks_file: ./jwks.json, algorithms: [ES256]}]
servers:
  time: {stdio: {command: ./run, args: [-v], env: {TZ: UTC}, pass_env: [PATH], cwd: .}, timeout_s: 7, trust: first_use}
  crm: {http: {url: 'http://127.0.0.1:3001/mcp', headers: {Authorization: {env: CRM}, x-tenant: eu, x-api-key: {file: crm.key}}}, allow_private: true}
telemetry: {otlp: 'http://127.0.0.1:4317', sample_ratio: 1, lease_ms: 1500}
limits: {rate_per_second: 5, burst: 6, call_timeout_s: 9}
denials: protocol_error
";

#[test]
fn every_key_reaches_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("rules")).unwrap();
    for (name, text, mode) in
        [("jwks.json", "{}", 0o644), ("run", "", 0o755), ("crm.key", "k-123\n", 0o600), ("postern.yaml", WHOLE, 0o644)]
    {
        fs::write(at(name), text).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let environment = |name: &str| (name == "CRM").then(|| "Bearer abc".to_owned());
    let settings = load(&at("postern.yaml"), true, &environment).unwrap();
    assert_eq!(settings.listen.public_url.as_deref(), Some("https://tools.example"));
    let bound = "127.0.0.1:4444".parse().unwrap();
    let hosts: Vec<_> = settings.listen.accepted_hosts(bound).into_iter().collect();
    assert_eq!(hosts, ["127.0.0.1:4444", "localhost:4444", "tools.example"]);
    assert_eq!(settings.identity.issuers[0].jwks, Jwks::File(at("jwks.json")));
    assert_eq!((settings.limits.burst, settings.limits.call_timeout.as_secs()), (6, 9));
    assert_eq!((settings.store.commit_timeout.as_millis(), settings.telemetry.lease.as_millis()), (100, 1500));
    assert_eq!(settings.denials, Denials::ProtocolError);
    let servers: BTreeMap<_, _> = settings.servers.iter().map(|(name, server)| (name.as_str(), server)).collect();
    assert_eq!((servers["time"].timeout.as_secs(), servers["time"].trust), (7, Trust::FirstUse));
    assert_eq!((servers["crm"].timeout.as_secs(), servers["crm"].allow_private), (9, true));
    let Transport::Http { headers, .. } = &servers["crm"].transport else { panic!("http") };
    let headers: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
    assert_eq!(headers, BTreeMap::from([("authorization", "Bearer abc"), ("x-api-key", "k-123"), ("x-tenant", "eu")]));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("abc") && !shown.contains("k-123"), "a secret is never shown");
}

#[test]
fn an_operator_command_does_not_need_the_secrets_of_servers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.yaml");
    fs::write(&file, "listen: {admin: '127.0.0.1:9'}\nservers: {a: {http: {url: 'https://a.example', headers: {authorization: {env: A}}}}}\n").unwrap();
    let operator = operator(&file, true).unwrap();
    assert_eq!((operator.admin.port(), operator.data), (9, folder.path().join("data")));
    assert!(load(&file, true, &no_environment).is_err());
}
