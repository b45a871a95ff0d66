//! Who watches an exception at this moment: the control `watch.attached`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Probe;
use crate::domain::{ExceptionId, Obligation, PersonId};

/// How long a person counts as watching after each sign of life.
pub const ATTENTION: Duration = Duration::from_secs(5);
/// People who watch at once; further ones are not let in.
const SEATS: usize = 1_024;

type Watching = BTreeMap<(ExceptionId, PersonId), Instant>;

/// The people who watch, each until his last sign of life is [`ATTENTION`] old.
#[derive(Debug, Default)]
pub struct Attendance(Mutex<Watching>);

impl Attendance {
    /// Whether this person watches this exception.
    #[must_use]
    pub fn watches(&self, exception: &ExceptionId, person: &PersonId, now: Instant) -> bool {
        self.lock().get(&(exception.clone(), person.clone())).is_some_and(|until| *until > now)
    }

    /// A sign of life. `false` if there is no seat left.
    pub fn renew(&self, exception: &ExceptionId, person: &PersonId, now: Instant) -> bool {
        let mut watching = self.lock();
        let key = (exception.clone(), person.clone());
        let seated = watching.len() < SEATS || watching.contains_key(&key);
        if seated {
            watching.insert(key, now + ATTENTION);
        }
        seated
    }

    /// The person does not watch any more. `false` if he did not.
    pub fn leave(&self, exception: &ExceptionId, person: &PersonId) -> bool {
        self.lock().remove(&(exception.clone(), person.clone())).is_some()
    }

    /// Takes out those whose last sign of life is too old.
    #[must_use]
    pub fn lapsed(&self, now: Instant) -> Vec<(ExceptionId, PersonId)> {
        let mut watching = self.lock();
        let gone: Vec<_> = watching.iter().filter(|(_, until)| **until <= now).map(|(key, _)| key.clone()).collect();
        for key in &gone {
            watching.remove(key);
        }
        gone
    }

    fn lock(&self) -> MutexGuard<'_, Watching> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe for Attendance {
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn holds(&self, duty: &Obligation, exception: &ExceptionId) -> Result<(), String> {
        let Obligation::WatchAttached { people } = duty else { return Ok(()) };
        let now = Instant::now();
        if people.iter().any(|person| self.watches(exception, person, now)) {
            return Ok(());
        }
        Err(format!("nobody who may watch is attached; one of them runs `postern tail --watch {exception}`"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{ATTENTION, Attendance};
    use crate::{
        domain::{Obligation, PersonId},
        monitoring::Probe as _,
    };

    #[test]
    fn a_named_person_counts_from_a_sign_of_life_until_its_lease_ends_or_he_leaves() {
        let (attendance, now) = (Attendance::default(), Instant::now());
        let (exception, ana, ben) = ("EX-1".parse().unwrap(), PersonId::from("ana"), PersonId::from("ben"));
        let duty = Obligation::WatchAttached { people: [ana.clone()].into() };
        assert!(attendance.holds(&duty, &exception).unwrap_err().contains("postern tail --watch EX-1"));
        assert!(attendance.renew(&exception, &ben, now));
        assert!(attendance.holds(&duty, &exception).is_err(), "he is not named");
        assert!(attendance.renew(&exception, &ana, now));
        assert!(attendance.holds(&duty, &exception).is_ok());
        assert!(attendance.holds(&duty, &"EX-2".parse().unwrap()).is_err(), "another exception");
        assert!(attendance.watches(&exception, &ana, now + ATTENTION / 2));
        assert!(!attendance.watches(&exception, &ana, now + ATTENTION));
        assert!(attendance.leave(&exception, &ana));
        assert!(attendance.holds(&duty, &exception).is_err());
        assert_eq!(attendance.lapsed(now + ATTENTION), [(exception, ben)]);
        assert_eq!(attendance.lapsed(now + ATTENTION), []);
    }
}
