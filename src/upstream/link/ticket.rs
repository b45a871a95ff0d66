//! The right to one answer of a conversation.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Link;
use crate::{
    mcp::client::{self, Answer, Speaker},
    upstream::{FailureKind, rounds::Ear},
};

/// The right to one answer. A ticket that is dropped before its answer came tells the server to stop.
pub(in crate::upstream) struct Ticket {
    link: Arc<Link>,
    id: u64,
    answer: oneshot::Receiver<Answer>,
    sent: bool,
    told: bool,
}

impl Ticket {
    pub(super) const fn new(link: Arc<Link>, id: u64, answer: oneshot::Receiver<Answer>) -> Self {
        Self { link, id, answer, sent: false, told: false }
    }

    /// A request that must not be cancelled, as those of a handshake.
    pub(in crate::upstream) const fn uncancelled(mut self) -> Self {
        self.told = true;
        self
    }

    /// Whether the server may have seen the request.
    pub(in crate::upstream) const fn sent(&self) -> bool {
        self.sent
    }

    pub(super) const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Somebody else listens from now on.
    pub(super) fn hear(&self, ear: Ear) {
        self.link.hear(self.id, ear);
    }

    /// Nobody listens for now.
    pub(super) fn mute(&self) {
        self.link.mute(self.id);
    }

    /// Sends the request.
    pub(in crate::upstream) async fn send(&mut self, body: Bytes) -> Result<(), FailureKind> {
        let place = self.link.messages.reserve().await.map_err(|_| FailureKind::Closed)?;
        self.sent = true;
        place.send(body);
        Ok(())
    }

    /// Waits for the answer.
    pub(in crate::upstream) async fn answer(&mut self) -> Result<Answer, FailureKind> {
        let answer = (&mut self.answer).await;
        self.told = true;
        answer.map_err(|_| FailureKind::Closed)
    }

    /// Sends the request and waits for its answer.
    pub(in crate::upstream) async fn exchange(&mut self, body: Bytes) -> Result<Answer, FailureKind> {
        self.send(body).await?;
        self.answer().await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.link.forget(self.id, self.sent);
        if self.sent && !self.told {
            let _queued = self.link.messages.try_send(client::cancelled(Speaker::MODERN, self.id).body);
        }
    }
}
