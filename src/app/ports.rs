//! Adapters between rooms that do not know each other.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    exception::{Notice, Notices},
    identity::{Fetch, FetchError},
    upstream::HttpFetch,
};

/// Says in the log what people should hear of; everything of it stands in the journal already.
pub(super) struct Log;

impl Notices for Log {
    fn tell(&self, notice: &Notice) {
        match notice {
            Notice::Due { exception, owner, deadline, at } => {
                tracing::warn!(%exception, %owner, due = deadline.as_str(), %at, "an exception wants its owner before long");
            }
            Notice::OwnerGone { exception, owner } => {
                tracing::warn!(%exception, %owner, "the owner is gone; the exception is suspended");
            }
        }
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
