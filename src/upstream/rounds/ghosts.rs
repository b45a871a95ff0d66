//! Calls that were given up while their server may still work on them: what it asks or logs may be of them (T034).

use std::collections::HashMap;

use tokio::time::{Duration, Instant};

use crate::domain::limits;

/// How long a server is taken to work on a call that it was told to stop: no call lasts longer.
const TIME: Duration = limits::CALL_TIME_CEILING;
/// Ghosts of one conversation that are told apart.
const MOST: usize = 256;

/// The ghosts of one conversation. While there is one, what names no call belongs to nobody.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Ghosts {
    ends: HashMap<u64, Instant>,
    /// Until when there are more than can be told apart.
    crowded: Option<Instant>,
}

impl Ghosts {
    /// A call was given up.
    pub(in crate::upstream) fn add(&mut self, id: u64) {
        self.expire();
        let end = Instant::now() + TIME;
        if self.ends.len() < MOST {
            self.ends.insert(id, end);
        } else {
            self.crowded = Some(end);
        }
    }

    /// The server answered it after all; whether it was one.
    pub(in crate::upstream) fn lay(&mut self, id: u64) -> bool {
        self.ends.remove(&id).is_some()
    }

    /// Whether there is one.
    pub(in crate::upstream) fn any(&mut self) -> bool {
        self.expire();
        self.crowded.is_some() || !self.ends.is_empty()
    }

    fn expire(&mut self) {
        let now = Instant::now();
        self.ends.retain(|_, end| *end > now);
        self.crowded = self.crowded.filter(|end| *end > now);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, advance};

    use super::{Ghosts, MOST, TIME};

    #[tokio::test(start_paused = true)]
    async fn a_ghost_stays_until_it_is_answered_or_its_time_is_over() {
        let mut ghosts = Ghosts::default();
        ghosts.add(1);
        assert!(ghosts.any() && ghosts.lay(1) && !ghosts.any() && !ghosts.lay(1));
        ghosts.add(2);
        advance(TIME - Duration::from_secs(1)).await;
        assert!(ghosts.any());
        advance(Duration::from_secs(2)).await;
        assert!(!ghosts.any());
    }

    #[tokio::test(start_paused = true)]
    async fn more_ghosts_than_can_be_told_apart_take_no_memory_and_are_not_forgotten() {
        let mut ghosts = Ghosts::default();
        let count = u64::try_from(MOST).unwrap() + 1;
        (0..count).for_each(|id| ghosts.add(id));
        assert_eq!((0..count).filter(|id| ghosts.lay(*id)).count(), MOST);
        assert!(ghosts.any());
        advance(TIME + Duration::from_secs(1)).await;
        assert!(!ghosts.any());
    }
}
