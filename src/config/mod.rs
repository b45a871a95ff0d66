//! Files and environment to checked settings; all faults at once.

mod alerts;
mod arguments;
mod check;
mod evidence;
mod exports;
mod form;
mod listen;
mod load;
mod openapi;
mod policies;
mod say;
mod servers;
mod settings;
mod value;

pub use alerts::{Alerts, WebhookSettings};
pub use evidence::{CheckpointSettings, CheckpointWebhook, EvidenceSettings, WitnessMember, WitnessSettings};
pub use exports::{Begin, ExportSettings, ExportTo};
pub use load::{Environment, Operator, SCHEMA, load, operator, process_environment};
pub use policies::{PolicyFiles, SourceText, read_policies};
pub use settings::{
    Algorithm, Denials, Durability, Exceptions, Identity, Issuer, Jwks, Limits, Listen, OpenApi, ProbeApi,
    ProbeSettings, ServerSettings, Settings, StoreSettings, TelemetrySettings, TlsFiles, Transport, Trust,
};
pub use value::ConfiguredValue;

#[cfg(test)]
mod tests;
