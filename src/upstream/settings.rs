//! What the configuration says about a tool server.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use http::Uri;

use super::OpenApiSettings;
use crate::domain::{Secret, ServerName, limits};

/// A tool server as the configuration on disk has it. Nothing here ever comes from an agent, a tool
/// server or the API (T130, T131).
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Its name.
    pub name: ServerName,
    /// How it is reached.
    pub transport: Transport,
    /// For a handshake or a page of a list; calls bring their own deadline.
    pub timeout: Duration,
    /// Calls at once; more wait until their deadline.
    pub concurrency: usize,
    /// Between two readings of a list that did not announce a change.
    pub refresh: Duration,
    /// How failures are answered.
    pub patience: Patience,
}

impl ServerSettings {
    /// Settings with the defaults of everything but name and transport.
    #[must_use]
    pub fn new(name: ServerName, transport: Transport) -> Self {
        Self {
            name,
            transport,
            timeout: limits::CALL_TIME,
            concurrency: 256,
            refresh: Duration::from_secs(60),
            patience: Patience::default(),
        }
    }
}

/// How a tool server is reached.
#[derive(Debug, Clone)]
pub enum Transport {
    /// A child that speaks on its standard input and output.
    Stdio(StdioSettings),
    /// Streamable HTTP.
    Http(HttpSettings),
    /// An HTTP API whose document says what it offers.
    OpenApi(Box<OpenApiSettings>),
}

/// A child.
#[derive(Debug, Clone)]
pub struct StdioSettings {
    /// The program, as an absolute path; no shell is involved.
    pub command: PathBuf,
    /// Its arguments, as they are.
    pub args: Vec<String>,
    /// Its whole environment: nothing of ours is inherited (T132).
    pub env: BTreeMap<String, Secret<String>>,
    /// Its working directory; ours if absent.
    pub cwd: Option<PathBuf>,
}

/// A Streamable HTTP endpoint.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The endpoint. `http` is for loopback and private networks only.
    pub url: Uri,
    /// Headers of every request, credentials among them; they are this server's alone (T126).
    pub headers: BTreeMap<String, Secret<String>>,
    /// Whether it may be reached on loopback and private addresses (T120).
    pub allow_private: bool,
    /// Certificate authorities in PEM that replace those of the machine (T125).
    pub authorities: Option<Vec<u8>>,
}

/// How failures are answered: the pause doubles from `first` to `ceiling`; a child that fails `strikes`
/// times within `window` is disabled until a person restarts it (T134).
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub ceiling: Duration,
    /// Failures of a child within the window that disable it.
    pub strikes: usize,
    /// The window.
    pub window: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            ceiling: Duration::from_secs(60),
            strikes: 5,
            window: Duration::from_secs(600),
        }
    }
}

/// The settings of a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The same name twice.
    #[error("the server `{0}` is defined twice")]
    Twice(ServerName),
    /// A relative command.
    #[error("the command of `{0}` must be an absolute path")]
    RelativeCommand(ServerName),
    /// No URL that can be used.
    #[error("the url of `{server}` {fault}")]
    Url {
        /// The server.
        server: ServerName,
        /// What is wrong.
        fault: &'static str,
    },
    /// No header that can be sent.
    #[error("the header `{header}` of `{server}` cannot be sent")]
    Header {
        /// The server.
        server: ServerName,
        /// Its name.
        header: String,
    },
    /// Without certificate authorities no TLS server can be trusted.
    #[error("no certificate authorities can be read for `{0}`")]
    Authorities(ServerName),
}
