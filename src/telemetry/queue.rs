//! The two queues between calls and the exporter.

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc::{self, OwnedPermit, Receiver, Sender, error::TrySendError};

use super::{sample::Class, tally::Tally, uses::Receipt};

/// The spans of one call.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) spans: Vec<SpanData>,
    /// For a use of an exception.
    pub(super) receipt: Option<Receipt>,
    /// Sent again from the journal, in a request of its own, so that one that is refused takes no other with it.
    pub(super) again: bool,
    pub(super) tally: Tally,
}

/// Calls whose spans wait for the collector's acknowledgement.
pub(super) const ACKNOWLEDGED: usize = 4_096;
/// Other calls whose spans wait.
pub(super) const NORMAL: usize = 2_048;

/// Where calls put their spans.
#[derive(Debug)]
pub(super) struct Queues {
    acknowledged: Sender<Bundle>,
    normal: Sender<Bundle>,
}

/// Where the exporter takes them from.
#[derive(Debug)]
pub(super) struct Outlets {
    pub(super) acknowledged: Receiver<Bundle>,
    pub(super) normal: Receiver<Bundle>,
}

/// A place that is held in the queue of acknowledged spans; what is put there is sent until it is answered.
#[derive(Debug)]
pub(super) struct Place(OwnedPermit<Bundle>);

impl Place {
    pub(super) fn put(self, bundle: Bundle) {
        self.0.send(bundle);
    }
}

pub(super) fn queues() -> (Queues, Outlets) {
    let (acknowledged, acknowledged_out) = mpsc::channel(ACKNOWLEDGED);
    let (normal, normal_out) = mpsc::channel(NORMAL);
    (Queues { acknowledged, normal }, Outlets { acknowledged: acknowledged_out, normal: normal_out })
}

impl Queues {
    /// A place for a call of this class, if the exporter runs and there is room. Refusals leave a quarter of the
    /// queue to exceptions, so a flood of them cannot take the traces of exceptions.
    pub(super) fn place(&self, class: Class) -> Option<Place> {
        let reserve = match class {
            Class::Exception => 0,
            Class::Denial => ACKNOWLEDGED / 4,
            Class::Normal | Class::Unsampled => return None,
        };
        if self.acknowledged.capacity() <= reserve {
            return None;
        }
        self.acknowledged.clone().try_reserve_owned().ok().map(Place)
    }

    /// A place for a call that is sent again; half of the queue is left to calls that are made now.
    pub(super) fn place_again(&self) -> Option<Place> {
        let room = self.acknowledged.capacity() > ACKNOWLEDGED / 2;
        room.then(|| self.acknowledged.clone().try_reserve_owned().ok().map(Place)).flatten()
    }

    /// Puts spans that may be lost; gives them back if there is no room.
    pub(super) fn offer(&self, bundle: Bundle) -> Result<(), Bundle> {
        self.normal.try_send(bundle).map_err(TrySendError::into_inner)
    }

    /// Whether the exporter has ended, so that a place leads nowhere.
    pub(super) fn is_closed(&self) -> bool {
        self.acknowledged.is_closed()
    }
}
