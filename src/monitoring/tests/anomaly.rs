//! What is unusual is told, once in a while, and nothing makes it forgotten.

use std::time::Duration;

use chrono::{NaiveTime, TimeDelta, Weekday};

use crate::{
    domain::{Timestamp, ToolRef},
    monitoring::{Anomalies, OfficeHours, Seen, Unusual},
};

/// A Thursday, 09:00 UTC.
fn at(seconds: i64) -> Timestamp {
    "2026-11-19T09:00:00Z".parse::<Timestamp>().unwrap() + TimeDelta::seconds(seconds)
}

fn used(seconds: i64, tool: &str, shape: &str) -> Seen {
    Seen {
        at: at(seconds),
        agent: "worker".into(),
        exception: Some("EX-1".parse().unwrap()),
        tool: Some(ToolRef { server: "notes".parse().unwrap(), tool: tool.parse().unwrap() }),
        shape: Some(shape.to_owned()),
        refused: false,
    }
}

fn refused(seconds: i64, agent: &str) -> Seen {
    Seen { agent: agent.into(), exception: None, shape: None, refused: true, ..used(seconds, "drop", "") }
}

/// The kinds of what is told of each.
fn told(anomalies: &mut Anomalies, seen: impl IntoIterator<Item = Seen>) -> Vec<&'static str> {
    seen.into_iter().flat_map(|seen| anomalies.see(&seen)).map(|anomaly| anomaly.kind).collect()
}

fn quiet(seconds: u64) -> Unusual {
    Unusual { quiet: Duration::from_secs(seconds), ..Unusual::default() }
}

#[test]
fn the_first_use_of_another_tool_under_an_exception_is_told_once() {
    let mut anomalies = Anomalies::new(quiet(60));
    let first = (0..10).map(|second| used(second, "read", "(id: string)"));
    assert!(told(&mut anomalies, first).is_empty(), "the first tool of an exception is no surprise");
    let found = anomalies.see(&used(20, "write", "(id: string)"));
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.kind, one.exception.as_ref().unwrap().as_str()), ("first_seen_tool", "EX-1"));
    assert_eq!(one.detail, "`worker` calls `notes/write` under EX-1 for the first time");
    assert!(told(&mut anomalies, [used(200, "write", "(id: string)")]).is_empty(), "the second time is not the first");
}

#[test]
fn a_new_class_of_arguments_is_told_once_a_tool_has_settled() {
    let mut anomalies = Anomalies::new(quiet(60));
    let early = [used(0, "read", "(a: string)"), used(1, "read", "(b: string)")];
    assert!(told(&mut anomalies, early).is_empty(), "two calls are no habit");
    let habit = (2..12).map(|second| used(second, "read", "(a: string)"));
    assert!(told(&mut anomalies, habit).is_empty());
    assert_eq!(told(&mut anomalies, [used(20, "read", "(a: string, all: boolean)")]), ["first_seen_arguments"]);
    assert!(told(&mut anomalies, [used(200, "read", "(a: string, all: boolean)")]).is_empty());
}

#[test]
fn a_use_outside_of_the_hours_is_told_and_a_night_shift_belongs_to_the_day_on_which_it_began() {
    let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    let hours = |from, to, days: &[Weekday], offset_minutes| Unusual {
        hours: Some(OfficeHours { from: time(from), to: time(to), days: days.to_vec(), offset_minutes }),
        ..quiet(1)
    };
    const HOUR: i64 = 3_600;
    // Thursday 09:00, 18:00, and Friday 03:00 UTC.
    let three = || [0, 9 * HOUR, 18 * HOUR].map(|second| used(second, "read", "()"));
    for (unusual, expected) in [
        (hours(8, 17, &[Weekday::Thu], 0), vec!["off_hours"; 2]),
        (hours(8, 17, &[Weekday::Fri], 0), vec!["off_hours"; 3]),
        // 08:00 to 17:00 of people who are nine hours ahead: 18:00, 03:00, 12:00.
        (hours(8, 17, &[Weekday::Thu, Weekday::Fri], 540), vec!["off_hours"; 2]),
        (hours(17, 6, &[Weekday::Thu], 0), vec!["off_hours"; 1]),
        (hours(17, 6, &[Weekday::Fri], 0), vec!["off_hours"; 3]),
    ] {
        assert_eq!(told(&mut Anomalies::new(unusual.clone()), three()), expected, "{unusual:?}");
    }
}

#[test]
fn more_calls_in_a_minute_than_the_baseline_allows_are_told() {
    let calls = |minute: i64, count: i64| (0..count).map(move |second| used(minute * 60 + second % 60, "read", "()"));
    let mut anomalies = Anomalies::new(Unusual { rate_factor: 3, rate_floor: 10, ..quiet(600) });
    assert!(told(&mut anomalies, calls(0, 40)).is_empty(), "there is no baseline yet");
    let mut anomalies = Anomalies::new(Unusual { rate_factor: 3, rate_floor: 10, ..quiet(600) });
    for minute in 0..10 {
        assert!(told(&mut anomalies, calls(minute, 5)).is_empty());
    }
    assert!(told(&mut anomalies, calls(10, 15)).is_empty(), "three times the mean");
    let mut found = Vec::new();
    for minute in 11..40 {
        found.extend(told(&mut anomalies, calls(minute, 5)));
    }
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(told(&mut anomalies, calls(40, 60)), ["rate"], "once in the quiet time");
    // Nothing for a day: the floor holds then, and a burst is told again.
    assert_eq!(told(&mut anomalies, calls(1_500, 11)), ["rate"]);
}

#[test]
fn refusals_in_a_row_are_told_and_again_while_they_go_on() {
    let unusual = Unusual { refusals: 3, ..quiet(60) };
    let mut anomalies = Anomalies::new(unusual.clone());
    assert!(told(&mut anomalies, [refused(0, "worker"), refused(1, "worker")]).is_empty());
    let found = anomalies.see(&refused(2, "worker"));
    assert_eq!(found[0].kind, "refusals");
    assert_eq!(found[0].detail, "3 calls of `worker` were refused in a row");
    let goes_on = (3..180).map(|second| refused(second, "worker"));
    assert_eq!(told(&mut anomalies, goes_on), ["refusals"; 2], "once in each quiet time, as long as it lasts");
    // An agent that is let through once begins anew.
    let between = [refused(0, "worker"), refused(1, "worker"), used(2, "read", "()"), refused(3, "worker")];
    assert!(told(&mut Anomalies::new(unusual), between).is_empty());
}

#[test]
fn no_crowd_makes_a_streak_forgotten_that_goes_on() {
    let mut anomalies = Anomalies::new(Unusual { refusals: 4_500, ..quiet(60) });
    // The first by name; every other agent is newer and asks once.
    let mut found = Vec::new();
    for number in 0..4_500 {
        found.extend(told(&mut anomalies, [refused(0, "aaa"), refused(0, &format!("b{number:05}"))]));
    }
    assert_eq!(found, ["refusals"], "what was silent longest is forgotten, not the first by name");
}

#[test]
fn no_crowd_of_tools_or_shapes_makes_a_habit_news() {
    let mut anomalies = Anomalies::new(quiet(0));
    for number in 0..600 {
        let found = told(&mut anomalies, [used(0, "aaa", "(a: string)"), used(0, &format!("b{number:03}"), "()")]);
        assert!(!found.is_empty() || number == 0, "a tool that is new is told");
        assert!(found.len() <= 1, "`aaa` is called all the time: {found:?}");
    }
    let mut anomalies = Anomalies::new(quiet(0));
    for number in 0..600 {
        let found = told(&mut anomalies, [used(0, "t", "(a: string)"), used(0, "t", &format!("(b{number:03}: null)"))]);
        assert!(found.len() <= 1, "`(a: string)` is passed all the time: {found:?}");
    }
}

#[test]
fn however_much_is_unusual_the_next_alarm_is_told() {
    let mut anomalies = Anomalies::new(Unusual { refusals: 1, ..quiet(3_600) });
    for number in 0..4_200 {
        assert_eq!(told(&mut anomalies, [refused(0, &format!("a{number}"))]), ["refusals"], "agent {number}");
    }
}
