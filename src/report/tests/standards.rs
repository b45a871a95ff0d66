//! The map of standards.

use std::collections::BTreeSet;

use super::support::{House, id, spec};
use crate::report::{Holdings, Rows as _, Standards};

#[test]
fn the_map_names_only_what_it_has_and_keeps_the_ids_that_people_use() {
    let map = Standards::read().unwrap();
    let distinct: BTreeSet<_> = map.controls.iter().map(|control| &control.id).collect();
    assert_eq!(distinct.len(), map.controls.len(), "an id stands twice");
    for alias in ["NHI-03", "PR.AC"] {
        assert!(map.aliases.iter().any(|one| one.id == alias && !one.means.is_empty()), "{alias}");
        assert!(!map.controls.iter().any(|control| control.id == alias), "{alias} is no exact id");
    }
    let title = |id: &str| map.controls.iter().find(|control| control.id == id).map(|control| control.title.as_str());
    assert_eq!(title("NHI5:2025"), Some("Overprivileged NHI"));
    assert_eq!(title("AC-3(10)"), Some("Audited Override of Access Control Mechanisms"));
    assert!(map.controls.iter().all(|control| ["primary", "secondary", "unverified"].contains(&control.read.as_str())));
    assert_eq!(map.says, "supports");
    assert!(!include_str!("../standards.json").to_lowercase().contains("compl\u{69}es"));
}

#[tokio::test]
async fn what_is_held_is_counted_from_the_journal_whole_or_of_one_exception() {
    let house = House::new();
    let charge = house.approved(spec("EX-1")).await;
    house.approved(spec("EX-2")).await;
    house.call(1, Some(&charge)).await;
    house.call(2, None).await;
    house.answered(1).await;
    let journal = house.closed().await;
    let held = |exception: Option<&str>, evidence: &str| {
        let mut holdings = Holdings::of(exception.map(id).as_ref());
        journal
            .each(&mut |line| {
                holdings.line(&line);
                Ok(())
            })
            .unwrap();
        assert!(holdings.checkpoints() > 0);
        let map = Standards::read().unwrap();
        let mapped = map.mapped(&holdings);
        let csv = map.csv(&mapped);
        assert!(csv.contains("attestations,0,,,not held,AC-6(7),") && csv.contains(",supports,AC-3(10),"), "{csv}");
        mapped.into_iter().find(|one| one.evidence == evidence).unwrap().held
    };
    assert_eq!(held(None, "record_and_approvals"), 8, "two submissions, four approvals, two ends of approval");
    assert_eq!(held(Some("EX-1"), "record_and_approvals"), 4);
    assert_eq!(held(None, "decisions"), 3);
    assert_eq!(held(Some("EX-1"), "decisions"), 2);
    assert_eq!((held(None, "milestones"), held(None, "risk"), held(None, "controls")), (2, 2, 2));
    assert_eq!((held(None, "third_party"), held(None, "removal")), (0, 0));
}
