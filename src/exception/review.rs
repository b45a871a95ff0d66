//! The review after the end: which exceptions wait for one, until when, and whether it was made. Access ends at once;
//! the review stays open.

use super::{
    Ceiling, Exception, State,
    ceiling::{REVIEW_DUE, Review, SAMPLE, later},
};
use crate::domain::{Digest, Timestamp};

/// Where the review of an exception stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostReview {
    /// It is waited for.
    Due,
    /// Its time is over.
    Overdue,
    /// It was made.
    Closed,
}

impl PostReview {
    /// The state as the API and reports have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Overdue => "overdue",
            Self::Closed => "closed",
        }
    }
}

impl Exception {
    /// Where its review stands at this moment; nothing for one that needs none.
    #[must_use]
    pub fn post_review(&self, now: Timestamp) -> Option<PostReview> {
        if self.review.is_some() {
            return Some(PostReview::Closed);
        }
        self.review_due().map(|due| if now < due { PostReview::Due } else { PostReview::Overdue })
    }

    /// Whether it waits for a review: approved under a kind that demands one or drawn for the sample, and not
    /// reviewed yet.
    #[must_use]
    pub fn is_review_open(&self) -> bool {
        let demanded = match Ceiling::of(self.spec.kind).review {
            Review::None => false,
            Review::Sample => self.is_drawn(),
            Review::Every => self.state.live().is_some(),
        };
        demanded && self.review.is_none()
    }

    /// Until when the review is due, for one that waits for it: its end, and the time that is left for it then.
    #[must_use]
    pub fn review_due(&self) -> Option<Timestamp> {
        let end = match &self.state {
            State::Ended { at, .. } => (*at).min(self.spec.window.not_after),
            State::Pending { .. } | State::Approved(_) | State::Suspended { .. } => self.spec.window.not_after,
        };
        self.is_review_open().then(|| later(end, REVIEW_DUE))
    }

    /// Whether it is one of the sample. The bits that its approvals drew decide: whoever writes the record cannot
    /// choose them, and whoever reads the history gets the same answer.
    fn is_drawn(&self) -> bool {
        let Some(live) = self.state.live() else { return false };
        let bits: Vec<&[u8]> = live.approvals.iter().map(|approval| approval.nonce.as_bytes()).collect();
        Digest::of_parts(&bits).as_bytes().first().is_some_and(|byte| byte % SAMPLE == 0)
    }
}
