//! Files and environment to checked settings; all faults at once.

mod check;
mod evidence;
mod form;
mod listen;
mod load;
mod openapi;
mod policies;
mod say;
mod servers;
mod settings;
mod value;

pub use evidence::EvidenceSettings;
pub use load::{Environment, Operator, SCHEMA, load, operator, process_environment};
pub use policies::{PolicyFiles, SourceText, read_policies};
pub use settings::{
    Algorithm, Denials, Durability, Exceptions, Identity, Issuer, Jwks, Limits, Listen, OpenApi, ServerSettings,
    Settings, StoreSettings, TelemetrySettings, TlsFiles, Transport, Trust,
};
pub use value::ConfiguredValue;

#[cfg(test)]
mod tests;
