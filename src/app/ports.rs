//! Adapters between rooms that do not know each other.

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

use crate::{
    evidence::SigningKey,
    exception::{SignError, Signer, Verifier},
    identity::{Fetch, FetchError},
    upstream::HttpFetch,
};

/// The store's signing key, as the desk uses it to countersign approvals.
pub(super) struct Countersign(pub(super) Arc<SigningKey>);

impl Signer for Countersign {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.0.sign(message).to_vec())
    }
}

impl Verifier for Countersign {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verifying().verify(message, signature)
    }
}

/// Fetches issuers' keys over HTTPS.
#[derive(Default)]
pub(super) struct Web(HttpFetch);

#[async_trait]
impl Fetch for Web {
    async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        self.0.get(url).await.map_err(|error| FetchError { url: url.to_owned(), detail: error.to_string() })
    }
}
