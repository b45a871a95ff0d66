//! Counts are those of the journal, and nothing else.

use std::collections::BTreeMap;

use serde_json::json;

use super::support::{House, at, id, spec};
use crate::{
    domain::{ExceptionId, PersonId},
    exception::Event,
    report::{Analysis, ReviewState, Scope, Sprawl, Tally},
};

fn revoked() -> Vec<Event> {
    vec![Event::Revoked { by: PersonId::from("olga") }]
}

#[tokio::test]
async fn the_register_has_one_row_for_every_exception_ever_with_what_the_journal_says() {
    let house = House::new();
    let charge = house.approved(spec("EX-1")).await;
    house.turn_to("2026-11-03T12:00:00Z");
    house.events("EX-1", vec![Event::Attested { by: PersonId::from("olga") }]).await;
    house.call(1, Some(&charge)).await;
    house.call(2, Some(&charge)).await;
    house.refused(3, &charge).await;
    house.approved(spec("EX-2")).await;
    house.events("EX-2", revoked()).await;
    let (register, tally) = house.counted().await;
    assert!(register.complete && register.damaged.is_empty());
    let ids: Vec<_> = register.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["EX-2", "EX-1"], "the newest first");
    let row = &register.rows[1];
    assert_eq!((row.state.as_str(), row.used, row.calls), ("active", 2, 100));
    assert_eq!((row.days_left, row.review), (Some(27), ReviewState::None));
    assert_eq!(row.approvers, ["anna".into(), "arne".into()]);
    assert_eq!(row.last_call, Some(at("2026-11-03T12:00:00Z")));
    assert_eq!(row.attested, Some((at("2026-11-03T12:00:00Z"), "olga".into())));
    assert_eq!(row.attestation_due, Some(at("2026-11-10T12:00:00Z")));
    assert_eq!(tally.facts()[&id("EX-1")].refused, 1);
    let ended = &register.rows[0];
    assert_eq!((ended.state.as_str(), ended.days_left), ("revoked", None));
    assert_eq!(ended.ended, Some(at("2026-11-03T12:00:00Z")));
    let csv = register.csv();
    let line = csv.lines().nth(2).unwrap();
    assert!(csv.starts_with("id,revision,kind,"), "{csv}");
    assert!(
        line.starts_with("EX-1,1,pilot,mitigated,active,,olga,crm,rita,anna; arne,agent-1,crm,export,,,"),
        "{line}"
    );
    assert!(line.ends_with(",intent,,CHG-1,\"because <b>it</b> is \"\"needed\"\"\""), "{line}");
}

#[tokio::test]
async fn the_share_of_calls_through_exceptions_is_counted_day_by_day() {
    let house = House::new();
    let charge = house.approved(spec("EX-1")).await;
    for n in 0..6 {
        house.call(n, None).await;
    }
    house.turn_to("2026-11-04T00:00:01Z");
    house.call(10, Some(&charge)).await;
    house.call(11, Some(&charge)).await;
    house.refused(12, &charge).await;
    let week = house.sprawl(7).await;
    assert_eq!((week.allows, week.by_exception, week.refused, week.ratio), (8, 2, 1, Some(0.25)));
    assert_eq!(week.by_day.len(), 7);
    let today = house.sprawl(1).await;
    assert_eq!((today.allows, today.by_exception, today.ratio), (2, 2, Some(1.0)));
    assert_eq!(today.active_by_kind, BTreeMap::from([("pilot".to_owned(), 1)]));
    assert_eq!(today.active_by_owner, BTreeMap::from([("olga".to_owned(), 1)]));
    assert_eq!(today.active_by_age.iter().map(|age| age.active).collect::<Vec<_>>(), [0, 1, 0, 0, 0]);
    let nothing = House::new().sprawl(30).await;
    assert_eq!((nothing.allows, nothing.ratio, nothing.removals.mean_hours), (0, None, None));
}

#[tokio::test]
async fn revocation_removal_renewal_and_disuse_are_measured() {
    let house = House::new();
    let charge = house.approved(spec("EX-1")).await;
    house.call(1, Some(&charge)).await;
    let mut renewal = spec("EX-2");
    renewal["supersedes"] = json!("EX-1");
    house.approved(renewal).await;
    house.turn_to("2026-11-03T00:00:00Z");
    house.events("EX-1", revoked()).await;
    house.turn_to("2026-11-03T00:00:02Z");
    house.answered(1).await;
    let found = house.sprawl(30).await;
    assert_eq!((found.revocations.revoked, found.revocations.calls_after), (1, 0));
    assert_eq!(found.revocations.longest_ms, 2_000, "the call that was under way ended two seconds later");
    assert_eq!((found.removals.ended, found.removals.mean_hours), (1, Some(48.0)));
    assert_eq!((found.extensions.approved, found.extensions.renewals, found.extensions.rate), (2, 1, Some(0.5)));
    assert_eq!(found.unused, Vec::<ExceptionId>::new(), "it is not active for so long");
    assert_eq!(house.sprawl(2).await.unused, [id("EX-2")]);
}

/// I8
#[tokio::test]
async fn an_overdue_attestation_is_never_active_and_is_named() {
    let house = House::new();
    house.approved(spec("EX-1")).await;
    house.turn_to("2026-11-08T01:00:00Z");
    let grace = house.sprawl(30).await.attestations;
    assert_eq!((grace.in_grace, grace.lapsed, grace.overdue_active), (vec![id("EX-1")], vec![], vec![]));
    house.turn_to("2026-11-09T00:00:00Z");
    let lapsed = house.sprawl(30).await.attestations;
    assert_eq!((lapsed.in_grace, lapsed.lapsed, lapsed.overdue_active), (vec![], vec![id("EX-1")], vec![]));
}

/// I18
#[tokio::test]
async fn a_break_glass_exception_without_review_becomes_overdue() {
    let house = House::new();
    let mut record = spec("EX-1");
    record["kind"] = json!("break_glass");
    record["incident"] = json!("INC-1");
    record["window"]["not_after"] = json!("2026-11-01T04:00:00Z");
    record.as_object_mut().unwrap().remove("attestation");
    house.approved(record).await;
    house.turn_to("2026-11-02T00:00:00Z");
    assert_eq!(house.counted().await.0.rows[0].review, ReviewState::Due);
    house.turn_to("2026-11-04T04:00:00Z");
    assert_eq!(house.sprawl(30).await.reviews_overdue, [id("EX-1")]);
}

#[tokio::test]
async fn health_and_analysis_are_shown_when_they_are_given_and_unknown_when_not() {
    let house = House::new();
    house.approved(spec("EX-1")).await;
    let (register, tally) = house.counted().await;
    let mut health: BTreeMap<String, bool> = register.rows[0].duties.iter().map(|duty| (duty.clone(), true)).collect();
    let analysis = Analysis { redundant: vec![id("EX-1")], ..Analysis::default() };
    let asked = |health: &BTreeMap<String, bool>| {
        Sprawl::of(&register, &tally, Scope { days: 30, health: Some(health), analysis: Some(&analysis) })
    };
    let found = asked(&health);
    assert_eq!(found.probes.as_ref().and_then(|probes| probes.percent), Some(100.0));
    health.insert("budget.reserve".to_owned(), false);
    let found = asked(&health);
    let probes = found.probes.as_ref().unwrap();
    assert_eq!(probes.percent, Some(0.0));
    assert_eq!(probes.failing, BTreeMap::from([("budget.reserve".to_owned(), vec![id("EX-1")])]));
    assert!(found.csv().contains("redundant,,1\r\n") && found.csv().contains("percent with fresh probes,,0.0\r\n"));
    let unknown = house.sprawl(30).await;
    assert!(unknown.csv().contains("redundant,,-\r\n"), "what nobody analysed is not zero");
}

/// T082
#[tokio::test]
async fn what_cannot_be_read_makes_a_report_say_that_it_is_not_complete() {
    let house = House::new();
    house.approved(spec("EX-1")).await;
    let rows = house.store.rows(1, 100).await.unwrap();
    let mut gap = Tally::default();
    rows.iter().skip(1).for_each(|row| gap.row(row));
    assert!(!gap.is_complete());
    let mut broken = Tally::default();
    let mut row = rows[0].clone();
    row.payload = b"{}".to_vec();
    broken.row(&row);
    assert!(!broken.is_complete());
    let conn = rusqlite::Connection::open(house.dir.join("postern.db")).unwrap();
    conn.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    conn.execute("UPDATE journal SET payload = replace(payload, '\"calls\":100', '\"calls\":900')", []).unwrap();
    let (register, _) = house.counted().await;
    assert_eq!((register.rows.len(), register.damaged), (0, vec![id("EX-1")]));
}
