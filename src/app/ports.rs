//! Adapters between rooms that do not know each other.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    identity::{Fetch, FetchError},
    upstream::HttpFetch,
};

/// Fetches issuers' keys over HTTPS.
#[derive(Default)]
pub(super) struct Web(HttpFetch);

#[async_trait]
impl Fetch for Web {
    async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        self.0.get(url).await.map_err(|error| FetchError { url: url.to_owned(), detail: error.to_string() })
    }
}
