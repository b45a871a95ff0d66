//! What `postern stdio` can be told.

use std::path::Path;

use clap::Parser as _;

use crate::cli::{Cli, command::Command, stdio::start::key_of};

fn endpoint(line: &str) -> Result<String, String> {
    let cli = Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
    let Command::Stdio(arguments) = cli.command else { panic!("stdio") };
    arguments.endpoint().map(|url| url.to_string()).map_err(|failure| format!("{} {failure}", failure.code()))
}

#[test]
fn the_endpoint_is_the_gateways_own_or_that_of_one_server() {
    for (line, url) in [
        ("postern stdio", "http://127.0.0.1:8080/mcp"),
        ("postern stdio --server notes", "http://127.0.0.1:8080/mcp/notes"),
        ("postern stdio --url https://gate.example.org", "https://gate.example.org/mcp"),
        ("postern stdio --url http://[::1]:9/in/mcp/ --server notes", "http://[::1]:9/in/mcp/notes"),
    ] {
        assert_eq!(endpoint(line).as_deref(), Ok(url), "{line}");
    }
    for line in ["ftp://a/mcp", "127.0.0.1:8080", "http://pst_key@a/mcp", "http://a/mcp?key=pst_x"] {
        let told = endpoint(&format!("postern stdio --url {line}")).unwrap_err();
        assert!(told.starts_with("2 "), "{told}");
    }
    assert!(endpoint("postern stdio --key pst_x").is_err(), "a key is never an argument");
}

/// T166
#[test]
fn the_key_is_the_agents_own_and_is_asked_for() {
    assert_eq!(key_of(None, Some("pst_a\n".to_owned())).unwrap().expose(), "pst_a");
    for (file, variable) in
        [(None, None), (Some(Path::new("-")), None), (Some(Path::new("/nowhere")), None), (None, Some(" "))]
    {
        assert_eq!(key_of(file, variable.map(str::to_owned)).unwrap_err().code(), 2);
    }
}
