//! The command line, keys and exit codes.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use clap::{CommandFactory as _, Parser as _};

use crate::cli::{
    Cli, Parts,
    command::{Command, ExceptionCommand, KeyCommand, Remote},
    key::{self, KeySource},
    run,
    screen::Format,
};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_consistent_and_every_command_of_the_contract_is_read() {
    Cli::command().debug_assert();
    for line in [
        "postern serve",
        "postern check --policies x",
        "postern check --against y --require-proofs",
        "postern doctor --output json",
        "postern key create --agent a --days 90 --note n",
        "postern key create --person p",
        "postern key list",
        "postern key revoke crd_1",
        "postern catalog list",
        "postern catalog approve notes",
        "postern catalog approve notes a b",
        "postern exception submit f.yaml",
        "postern exception list",
        "postern exception show EX-1",
        "postern exception approve EX-1",
        "postern exception reject EX-1 --reason r",
        "postern exception withdraw EX-1 --reason r",
        "postern exception attest EX-1",
        "postern exception suspend EX-1 --reason r",
        "postern exception resume EX-1 --reason r",
        "postern exception revoke EX-1 --reason r",
        "postern explain dec_1",
        "postern evidence verify --data d",
        "postern evidence show --since 3",
        "postern evidence export",
        "postern controls",
        "postern freeze --reason r",
        "postern unfreeze --reason r",
        "postern freeze --agent a --reason r",
        "postern unfreeze --server s --reason r",
        "postern freezes",
        "postern hold list",
        "postern hold show hold_1",
        "postern hold approve hold_1 --reason r",
        "postern hold deny hold_1 --reason r",
        "postern reload",
        "postern console",
        "postern whoami --config c --url http://127.0.0.1:1 --key-file k",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn values_arrive_where_they_belong() {
    let cli = parse("postern --output json --config c.yaml key create --agent spiffe://a/b").unwrap();
    assert_eq!(cli.global.output, Format::Json);
    assert_eq!(cli.global.config.as_deref(), Some(Path::new("c.yaml")));
    let Command::Remote(Remote::Key(KeyCommand::Create { agent, person, days, .. })) = cli.command else {
        panic!("key create")
    };
    assert_eq!((agent.as_deref(), person, days), (Some("spiffe://a/b"), None, 30));
    let cli = parse("postern exception revoke EX-7 --reason leaver --key-file -").unwrap();
    let Command::Remote(Remote::Exception(ExceptionCommand::Revoke(step))) = cli.command else { panic!("revoke") };
    assert_eq!((step.id.as_str(), step.reason.as_str()), ("EX-7", "leaver"));
}

#[test]
fn what_cannot_be_meant_is_refused_with_exit_code_2() {
    for line in [
        "postern",
        "postern fly",
        "postern key create",
        "postern key create --agent a --person b",
        "postern key create --agent a --days 91",
        "postern key revoke EX-1",
        "postern exception show 17",
        "postern exception revoke EX-1",
        "postern catalog approve Notes",
        "postern freeze",
        "postern freeze --agent a --server b --reason r",
        "postern whoami --key pst_x",
        "postern --output xml whoami",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

fn read(file: Option<&Path>, variable: Option<&str>, data: &Path) -> Result<String, String> {
    key::read(KeySource { file, variable: variable.map(str::to_owned), data })
        .map(|key| key.expose().clone())
        .map_err(|failure| format!("{} {failure}", failure.code()))
}

/// T166
#[test]
fn a_key_comes_from_a_file_that_only_its_owner_reads_or_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let (file, admin) = (folder.path().join("my.key"), folder.path().join("admin.key"));
    let write = |path: &Path, text: &str, mode: u32| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write(&file, "pst_mine\n", 0o600);
    write(&admin, "pst_admin\n", 0o600);
    assert_eq!(read(Some(&file), Some("pst_env"), folder.path()).unwrap(), "pst_mine");
    assert_eq!(read(None, Some("pst_env"), folder.path()).unwrap(), "pst_env");
    assert_eq!(read(None, None, folder.path()).unwrap(), "pst_admin");
    for mode in [0o644, 0o640, 0o604, 0o660] {
        write(&file, "pst_mine\n", mode);
        let told = read(Some(&file), None, folder.path()).unwrap_err();
        assert!(told.starts_with("2 ") && told.contains("chmod 600"), "{told}");
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&admin, &link).unwrap();
    assert!(read(Some(&link), None, folder.path()).unwrap_err().starts_with("2 cannot read"));
    write(&file, "two words\n", 0o600);
    assert!(read(Some(&file), None, folder.path()).unwrap_err().contains("no key has"));
}

fn exit(arguments: &[&str]) -> String {
    let parts = Parts {
        serve: |_| Box::pin(async { anyhow::bail!("no") }),
        check: |_, _| Err(crate::domain::Findings::one("roles/a.cedar", 3, "", "faulty")),
        prove: |_, _, _| Ok(crate::cli::ProofReport::default()),
    };
    format!("{:?}", run(arguments.iter().map(Into::into), &parts))
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(at("policies")).unwrap();
    fs::write(at("good.yaml"), "listen: {admin: '127.0.0.1:1'}\n").unwrap();
    fs::write(at("bad.yaml"), "lisen: {}\n").unwrap();
    fs::write(at("key"), "pst_x").unwrap();
    fs::set_permissions(at("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let code = |n: u8| format!("{:?}", std::process::ExitCode::from(n));
    let (good, bad, key) = (at("good.yaml"), at("bad.yaml"), at("key"));
    assert_eq!(exit(&["postern", "--version"]), code(0));
    assert_eq!(exit(&["postern", "doctor", "--config", &good, "--output", "json"]), code(0));
    assert_eq!(exit(&["postern", "evidence", "verify", "--data", &at("")]), code(1));
    assert_eq!(exit(&["postern", "doctor", "--config", &bad]), code(2));
    assert_eq!(exit(&["postern", "check", "--config", &good]), code(2));
    assert_eq!(exit(&["postern", "whoami", "--config", &good]), code(2), "no key");
    assert_eq!(exit(&["postern", "whoami", "--config", &good, "--key-file", &key]), code(3));
    assert_eq!(
        exit(&["postern", "whoami", "--url", "http://192.0.2.1", "--config", &good, "--key-file", &key]),
        code(2)
    );
    assert_eq!(exit(&["postern", "exception", "submit", &at("gone"), "--config", &good, "--key-file", &key]), code(2));
}
