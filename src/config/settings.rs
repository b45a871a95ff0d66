//! What is in force: checked, complete, every default filled in.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::value::ConfiguredValue;
use crate::{
    domain::{Assurance, Digest, Findings, ServerName},
    upstream::{Choice, Source},
};

/// Everything that `postern.yaml` says, with defaults for what it does not say.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The digest of its bytes.
    pub digest: Option<Digest>,
    /// Where it listens.
    pub listen: Listen,
    /// Folder of the store and keys.
    pub data: PathBuf,
    /// Folder of the policies.
    pub policies: PathBuf,
    /// How records are made durable.
    pub store: StoreSettings,
    /// How evidence is given to others.
    pub evidence: super::EvidenceSettings,
    /// Who may issue tokens.
    pub identity: Identity,
    /// The tool servers, by name.
    pub servers: BTreeMap<ServerName, ServerSettings>,
    /// Where traces go.
    pub telemetry: TelemetrySettings,
    /// The limits that can be set.
    pub limits: Limits,
    /// How many exceptions may be alive, and how far back their analysis looks.
    pub exceptions: Exceptions,
    /// Who is told of what, and what is unusual.
    pub alerts: super::alerts::Alerts,
    /// Destinations that get every record.
    pub exports: BTreeMap<String, super::exports::ExportSettings>,
    /// How a refused call of a visible tool is answered.
    pub denials: Denials,
}

/// How many exceptions may be alive, and how far back their analysis looks.
#[derive(Debug, Clone)]
pub struct Exceptions {
    /// Live exceptions of one owner.
    pub per_owner: usize,
    /// Live exceptions of one governance channel.
    pub per_channel: usize,
    /// Days that the analysis of a submission looks back.
    pub analysis_days: u32,
    /// Whether a submission is refused unless a solver has proven what it claims.
    pub require_proofs: bool,
    /// What is demanded of the sign-in of those who approve.
    pub approval: Assurance,
}

/// Where it listens, and under which names.
#[derive(Debug, Clone)]
pub struct Listen {
    /// For agents.
    pub agents: SocketAddr,
    /// For people and programs.
    pub admin: SocketAddr,
    /// The URL by which agents reach the gateway, without a slash at its end; `None` means the bound address.
    pub public_url: Option<String>,
    /// Further values of Host that are accepted, lower case.
    pub hosts: Vec<String>,
    /// Origins of browsers that are accepted, lower case.
    pub origins: Vec<String>,
    /// Certificate and key, for both listeners.
    pub tls: Option<TlsFiles>,
    /// Whether a listener beyond loopback without TLS was asked for.
    pub insecure_plaintext: bool,
}

/// Where the certificate chain and its key are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// PEM, leaf first.
    pub certificate: PathBuf,
    /// PEM, readable by its owner only.
    pub key: PathBuf,
}

/// How records are made durable.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Which calls wait for their records.
    pub durability: Durability,
    /// A commit that takes longer refuses its call.
    pub commit_timeout: Duration,
    /// Where each signed checkpoint is copied to: files or folders outside of the data folder.
    pub checkpoint_copies: Vec<PathBuf>,
}

/// Which calls wait for their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Every call.
    #[default]
    All,
    /// Calls under exceptions; the records of calls that a role allows may follow.
    Exceptions,
}

/// Who may issue tokens.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Issuers of access tokens; none means that only keys are accepted.
    pub issuers: Vec<Issuer>,
}

/// One issuer of access tokens.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// `iss`, compared exactly.
    pub issuer: String,
    /// `aud`, which must hold this value.
    pub audience: String,
    /// Where its keys are.
    pub jwks: Jwks,
    /// The algorithms that it may use; never empty.
    pub algorithms: Vec<Algorithm>,
    /// Whether it speaks for people too.
    pub people: bool,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// Fetched, remembered and rotated.
    Url(String),
    /// Read at start and on reload.
    File(PathBuf),
}

/// A signature algorithm of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// One tool server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// How it is reached.
    pub transport: Transport,
    /// The longest that one call may take.
    pub timeout: Duration,
    /// What happens with tools that nobody approved yet.
    pub trust: Trust,
    /// Whether an HTTP server may be on a private or loopback address.
    pub allow_private: bool,
}

/// How a tool server is reached.
#[derive(Debug, Clone)]
pub enum Transport {
    /// A child process that speaks on its standard streams.
    Stdio {
        /// The program; absolute, or found in the gateway's `PATH`.
        command: PathBuf,
        /// Its arguments; no shell reads them.
        args: Vec<String>,
        /// Its environment, which is otherwise empty.
        env: BTreeMap<String, ConfiguredValue>,
        /// Variables of the gateway that it also gets.
        pass_env: Vec<String>,
        /// Its working folder.
        cwd: Option<PathBuf>,
    },
    /// Streamable HTTP.
    Http {
        /// The endpoint.
        url: String,
        /// Headers on every request, names in lower case.
        headers: BTreeMap<String, ConfiguredValue>,
    },
    /// An HTTP API that an OpenAPI document describes.
    OpenApi(OpenApi),
}

/// An HTTP API that an OpenAPI document describes.
#[derive(Debug, Clone)]
pub struct OpenApi {
    /// The document: a file, or a URL that is fetched.
    pub document: Source,
    /// Where the API is; else the document's first server.
    pub url: Option<String>,
    /// Which operations become tools.
    pub choice: Choice,
    /// Headers on every request, names in lower case.
    pub headers: BTreeMap<String, ConfiguredValue>,
    /// Members of every query.
    pub query: BTreeMap<String, ConfiguredValue>,
    /// Bytes of a response that are taken.
    pub response: usize,
    /// Whether an argument in the path may hold `/`.
    pub encoded_slashes: bool,
    /// Chosen operations of a file that are no tools, and why.
    pub left_out: Findings,
}

/// What happens with tools that nobody approved yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// They wait for `postern catalog approve`.
    #[default]
    Pinned,
    /// What is seen first is approved; what changes later waits.
    FirstUse,
}

/// Where traces go.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// OTLP over gRPC; `None` means that nothing is exported and exceptions that demand traces do not work.
    pub otlp: Option<String>,
    /// Share of ordinary calls that is sampled; exceptions and denials always are.
    pub sample_ratio: f64,
    /// An exporter that was silent for this long counts as broken.
    pub lease: Duration,
    /// Where a marker span is looked for again.
    pub probe: Option<ProbeSettings>,
}

/// Where a marker span is looked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// What the backend speaks.
    pub api: ProbeApi,
    /// Where it is.
    pub url: String,
    /// The project of Phoenix.
    pub project: String,
    /// Between two markers.
    pub every: Duration,
    /// By when a marker has to be found.
    pub within: Duration,
}

/// What a trace backend speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeApi {
    /// The REST API of Phoenix.
    Phoenix,
    /// The JSON API of Jaeger.
    Jaeger,
}

/// The limits that can be set; all others are constants of `domain::limits`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls of one principal in a second.
    pub rate_per_second: u32,
    /// Calls of one principal at once.
    pub burst: u32,
    /// A call, where its server says nothing else.
    pub call_timeout: Duration,
}

/// How a refused call of a visible tool is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denials {
    /// A result with `isError`, which the model can read.
    #[default]
    ToolResult,
    /// A JSON-RPC error.
    ProtocolError,
}
