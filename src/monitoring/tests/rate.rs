//! The minute of an exception.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::rate::Rates;

proptest! {
    #[test]
    fn no_minute_ever_has_more_calls_than_it_may(limit in 1_u32..20, gaps in prop::collection::vec(0_u64..20_000, 1..200)) {
        let rates = Rates::new();
        let (start, id) = (Instant::now(), "EX-1".parse().unwrap());
        let mut moment = start;
        let mut taken: Vec<Instant> = Vec::new();
        for gap in gaps {
            moment += Duration::from_millis(gap);
            match rates.take(&id, limit, moment) {
                Ok(()) => taken.push(moment),
                Err(wait) => {
                    let recent = taken.iter().filter(|at| moment - **at < Duration::from_millis(60_500)).count();
                    prop_assert!(u32::try_from(recent).unwrap() >= limit, "refused too early");
                    prop_assert!(wait > Duration::ZERO && wait <= Duration::from_millis(60_500));
                }
            }
        }
        for at in &taken {
            let within = taken.iter().filter(|other| **other >= *at && **other - *at < Duration::from_secs(60)).count();
            prop_assert!(u32::try_from(within).unwrap() <= limit);
        }
    }
}

#[test]
fn the_wait_that_is_named_is_enough() {
    let rates = Rates::new();
    let (start, id) = (Instant::now(), "EX-1".parse().unwrap());
    rates.take(&id, 1, start).unwrap();
    let wait = rates.take(&id, 1, start + Duration::from_secs(7)).unwrap_err();
    assert!(rates.take(&id, 1, start + Duration::from_secs(7) + wait).is_ok());
}
