//! Calls found by their time, and policy sets since a moment.

use chrono::TimeDelta;

use super::support::{House, intent, noon};
use crate::{
    domain::Digest,
    evidence::{Journal as _, PolicyChange, PolicyEvent, Record},
};

#[tokio::test]
async fn records_of_calls_since_a_moment_are_found_page_by_page() {
    let house = House::new();
    for n in 1..=30_u32 {
        let at = noon() + TimeDelta::minutes(i64::from(n));
        let record = intent(u128::from(n), None);
        house.store.append(Record::Intent(crate::evidence::Intent { at, ..record })).await.unwrap();
        let policy = PolicyChange {
            at,
            event: PolicyEvent::Loaded,
            digest: Digest::of(&n.to_be_bytes()),
            epoch: u64::from(n),
            actor: "x".into(),
            detail: String::new(),
        };
        house.store.policy(policy).await.unwrap();
    }
    let since = noon() + TimeDelta::minutes(21);
    let begin = house.store.first_since(since).await.unwrap();
    let (mut found, mut next, mut pages) = (Vec::new(), Some(begin), 0);
    while let Some(from) = next {
        let (rows, more) = house.store.calls(from, 7).await.unwrap();
        found.extend(rows.iter().map(|(_, payload)| serde_json::from_slice::<Record>(payload).unwrap().summary().at));
        (next, pages) = (more, pages + 1);
    }
    assert_eq!((found.first(), found.len()), (Some(&since), 10));
    assert!(pages > 1 && found.is_sorted());
    let policies = house.store.policies(since, 100).await.unwrap();
    assert_eq!(policies.len(), 11, "those since then, and the one that was in force");
    assert_eq!(policies.last().unwrap().epoch, 20);
    assert_eq!(house.store.policies(since, 3).await.unwrap().len(), 3);
    let late = house.store.first_since(noon() + TimeDelta::days(9)).await.unwrap();
    assert_eq!(house.store.calls(late, 100).await.unwrap().0.len(), 0);
}

#[tokio::test]
async fn the_last_use_of_an_exception_is_its_last_intent() {
    let house = House::new();
    let id = "EX-1".parse().unwrap();
    assert_eq!(house.store.last_use(&id).await.unwrap(), None);
    for (n, minutes) in [(1, 0), (2, 9)] {
        let at = noon() + TimeDelta::minutes(minutes);
        let record = crate::evidence::Intent { at, ..intent(n, Some(&id)) };
        house.store.append(Record::Intent(record)).await.unwrap();
    }
    assert_eq!(house.store.last_use(&id).await.unwrap(), Some(noon() + TimeDelta::minutes(9)));
    house.store.append(Record::Intent(intent(3, Some(&"EX-2".parse().unwrap())))).await.unwrap();
    house.store.append(Record::Intent(intent(4, None))).await.unwrap();
    let both = [id.clone(), "EX-2".parse().unwrap()].into();
    let (rows, next) = house.store.calls_of(&both, 1, 2).await.unwrap();
    let (rest, end) = house.store.calls_of(&both, next.unwrap(), 2).await.unwrap();
    assert_eq!((rows.len(), rest.len(), end), (2, 1, None));
    let only = [id].into();
    assert_eq!(house.store.calls_of(&only, 1, 9).await.unwrap().0.len(), 2);
    assert_eq!(house.store.floor_of(&only, 5).await.unwrap(), None);
    assert_eq!(house.store.floor_of(&both, 2).await.unwrap(), Some(rows[0].0 + 1));
}
