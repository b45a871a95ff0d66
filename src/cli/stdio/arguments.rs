//! What `postern stdio` can be told.

use std::path::PathBuf;

use clap::Args;
use http::Uri;

use crate::{cli::exit::Failure, domain::ServerName};

/// Where a gateway listens for agents if nothing else is said.
const HOME: &str = "http://127.0.0.1:8080/mcp";

const HELP: &str = r#"In the configuration of a client that spawns its servers:

  {
    "mcpServers": {
      "postern": {
        "command": "postern",
        "args": ["stdio", "--key-file", "/home/me/.config/postern/agent.key"]
      }
    }
  }

The key is the agent's, made by `postern key create --agent ID`. It is read from a file of
mode 0600 or from POSTERN_KEY, never from the command line.

Nothing but MCP is written to standard output. The log goes to standard error;
POSTERN_LOG=info says more. The bridge ends when its standard input ends."#;

/// What can be typed behind `postern stdio`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct Arguments {
    /// The gateway's endpoint for agents [default: http://127.0.0.1:8080/mcp]
    #[arg(long, env = "POSTERN_URL")]
    pub(super) url: Option<String>,
    /// Only the tools of this server, under their own names
    #[arg(long, value_name = "NAME")]
    pub(super) server: Option<ServerName>,
    /// File with the agent's key, mode 0600 [default: $POSTERN_KEY]
    #[arg(long, env = "POSTERN_KEY_FILE", value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
}

impl Arguments {
    /// The endpoint that is meant. A URL without a path means `/mcp`.
    pub(super) fn endpoint(&self) -> Result<Uri, Failure> {
        let given = self.url.as_deref().unwrap_or(HOME).trim_end_matches('/');
        let bad = |why: &str| Failure::Input(format!("`{given}` {why}"));
        let uri: Uri = given.parse().map_err(|error| bad(&format!("is not a URL: {error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(bad("must begin with http:// or https://"));
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) || uri.query().is_some() {
            return Err(bad("must be an address and a path; a key does not stand in a URL"));
        }
        let home = if uri.path() == "/" { "/mcp" } else { "" };
        let server = self.server.as_ref().map(|server| format!("/{server}")).unwrap_or_default();
        format!("{given}{home}{server}").parse().map_err(|error| bad(&format!("is not a URL: {error}")))
    }
}
