//! What a caller showed, kept for as long as it is told something: it may not hold as long as that.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, header::AUTHORIZATION};

use super::lock::held;

/// The credential of a subscription, to be looked at again while the subscription stands. All clones are one.
#[derive(Clone, Default)]
pub struct Proof {
    shown: Arc<Mutex<HeaderMap>>,
    renewed: bool,
}

impl Proof {
    /// The credential of one request; when it ends, what stands on it ends.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let proof = Self::default();
        proof.renew(headers);
        proof
    }

    /// The credential of a session, whose requests renew it: one that is past its end may yet be renewed.
    #[must_use]
    pub fn of_session(headers: &HeaderMap) -> Self {
        Self { renewed: true, ..Self::of(headers) }
    }

    /// The caller shows another credential for the same principal.
    pub fn renew(&self, headers: &HeaderMap) {
        let shown = headers.get(AUTHORIZATION).map(|shown| (AUTHORIZATION, shown.clone()));
        *held(&self.shown) = shown.into_iter().collect();
    }

    /// The headers that show it.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        held(&self.shown).clone()
    }

    /// Whether later requests renew it.
    #[must_use]
    pub const fn is_renewed(&self) -> bool {
        self.renewed
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof")
    }
}
