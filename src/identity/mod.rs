//! Who is calling, and for whom.

mod authenticator;
mod bearer;
mod claims;
mod error;
mod issuer;
mod jwks;
mod key;
mod memory;
mod resolve;
mod settings;

pub use authenticator::{Authenticator, Ports, Shown};
pub use error::AuthError;
pub use issuer::{Fetch, FetchError};
pub use key::{IssueError, KeyPrincipal, KeyRow, KeyStore, KeyStoreError, issue};
pub use resolve::Identity;
pub use settings::{IssuerSettings, KeySource, Settings, SettingsError, SigningAlgorithm};

#[cfg(test)]
mod tests;
