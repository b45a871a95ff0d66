//! The shape of `postern.yaml` as it is written, after the JSON Schema was asked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::settings::{Algorithm, Denials, Durability, Trust};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    pub(super) listen: ListenForm,
    pub(super) data: Option<String>,
    pub(super) policies: Option<String>,
    pub(super) store: StoreForm,
    pub(super) identity: IdentityForm,
    pub(super) servers: BTreeMap<String, ServerForm>,
    pub(super) telemetry: TelemetryForm,
    pub(super) evidence: super::evidence::EvidenceForm,
    pub(super) limits: LimitsForm,
    pub(super) exceptions: ExceptionsForm,
    pub(super) alerts: super::alerts::AlertsForm,
    pub(super) exports: BTreeMap<String, super::exports::ExportForm>,
    pub(super) denials: Denials,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListenForm {
    pub(super) agents: Option<String>,
    pub(super) admin: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) origins: Vec<String>,
    pub(super) tls: Option<TlsForm>,
    pub(super) insecure_plaintext: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct TlsForm {
    pub(super) certificate_file: String,
    pub(super) key_file: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StoreForm {
    pub(super) durability: Durability,
    pub(super) commit_timeout_ms: Option<u64>,
    pub(super) checkpoint_copies: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IdentityForm {
    pub(super) issuers: Vec<IssuerForm>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IssuerForm {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) jwks_url: Option<String>,
    pub(super) jwks_file: Option<String>,
    pub(super) algorithms: Option<Vec<Algorithm>>,
    #[serde(default)]
    pub(super) people: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServerForm {
    pub(super) stdio: Option<StdioForm>,
    pub(super) http: Option<HttpForm>,
    pub(super) openapi: Option<OpenApiForm>,
    pub(super) timeout_s: Option<u64>,
    pub(super) trust: Trust,
    pub(super) allow_private: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct StdioForm {
    pub(super) command: String,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) pass_env: Vec<String>,
    pub(super) cwd: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HttpForm {
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenApiForm {
    pub(super) document: String,
    pub(super) url: Option<String>,
    pub(super) include: Option<IncludeForm>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) query: BTreeMap<String, Value>,
    pub(super) response_kib: Option<usize>,
    #[serde(default)]
    pub(super) encoded_slashes: bool,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct IncludeForm {
    pub(super) operations: BTreeSet<String>,
    pub(super) tags: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TelemetryForm {
    pub(super) otlp: Option<String>,
    pub(super) sample_ratio: Option<f64>,
    pub(super) lease_ms: Option<u64>,
    pub(super) probe: Option<ProbeForm>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProbeForm {
    pub(super) phoenix: Option<String>,
    pub(super) jaeger: Option<String>,
    pub(super) project: Option<String>,
    pub(super) every_s: Option<u64>,
    pub(super) within_s: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExceptionsForm {
    pub(super) budget: BudgetForm,
    pub(super) analysis_days: Option<u32>,
    pub(super) require_proofs: bool,
    pub(super) approval_amr: Vec<String>,
    pub(super) approval_acr: Vec<String>,
    pub(super) approval_max_age_s: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BudgetForm {
    pub(super) per_owner: Option<usize>,
    pub(super) per_channel: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LimitsForm {
    pub(super) rate_per_second: Option<u32>,
    pub(super) burst: Option<u32>,
    pub(super) call_timeout_s: Option<u64>,
}
