//! Who is calling, and for whom.

mod authenticator;
mod cache;
mod error;
mod issuer;
mod jwks;
mod key;
mod token;

#[cfg(test)]
mod tests;

pub use authenticator::{Authenticator, Identity};
pub use error::AuthError;
pub use issuer::{Issuer, KeySource};
pub use jwks::{Fetch, FetchError};
pub use key::{ApiKey, KeyPrincipal, KeyRow, KeyStore, KeyStoreError, LONGEST_LIFE_DAYS, Pepper};
