//! What a follower promises.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use super::support::{Paper, Puppet, Script, noon, until};
use crate::{
    delivery::{Begin, Follower, Pace, Progress, Setback, Taken},
    monitoring::Probe as _,
};

struct Ran {
    paper: Arc<Paper>,
    script: Arc<Script>,
    progress: Arc<Progress>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn run(paper: Arc<Paper>, pace: Pace) -> Ran {
    let script = Arc::new(Script::default());
    let (stop, stopped) = watch::channel(false);
    let follower = Follower::new(paper.clone(), "hook", Puppet(Arc::clone(&script)), pace);
    let progress = follower.progress();
    Ran { paper, script, progress, stop, task: tokio::spawn(follower.run(stopped)) }
}

fn from_the_first() -> Pace {
    Pace { begin: Begin::First, batch: 4, ..Pace::default() }
}

#[tokio::test(start_paused = true)]
async fn records_come_in_order_and_the_cursor_follows_what_was_acknowledged() {
    let paper = Paper::new();
    paper.count(6);
    let ran = run(paper, from_the_first());
    until("all are acknowledged", || ran.paper.noted("hook") == Some(6)).await;
    ran.paper.count(1);
    until("the next one too", || ran.paper.noted("hook") == Some(7)).await;
    assert_eq!(*ran.script.seen.lock().unwrap(), [vec![1, 2, 3, 4], vec![5, 6], vec![7]]);
    assert_eq!(ran.progress.lag(noon()).records, 0);
    assert!(ran.progress.health().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_new_destination_begins_with_what_comes_and_that_is_durable_before_anything_is_read() {
    let paper = Paper::new();
    paper.count(5);
    let ran = run(paper, Pace::default());
    until("it begins", || ran.paper.noted("hook") == Some(5)).await;
    ran.paper.count(1);
    until("the new one is acknowledged", || ran.paper.noted("hook") == Some(6)).await;
    assert_eq!(*ran.script.seen.lock().unwrap(), [vec![6]]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_acknowledged_comes_again_after_the_pause_that_was_asked_for() {
    let paper = Paper::new();
    paper.count(3);
    let script = Arc::new(Script::default());
    let setback = Setback { through: Some(1), why: "busy".to_owned(), wait: Some(Duration::from_secs(40)) };
    script.answers.lock().unwrap().push_back(Err(setback));
    let (_stop, stopped) = watch::channel(false);
    let follower = Follower::new(paper.clone(), "hook", Puppet(Arc::clone(&script)), from_the_first());
    let progress = follower.progress();
    let begun = tokio::time::Instant::now();
    tokio::spawn(follower.run(stopped));
    until("it failed", || progress.trouble().is_some()).await;
    assert_eq!(paper.noted("hook"), Some(1), "the part that was acknowledged does not come again");
    let lag = progress.lag(noon() + Duration::from_secs(30));
    assert_eq!((lag.records, lag.seconds), (2, 30));
    assert!(progress.health().unwrap_err().contains("busy"));
    until("the rest is acknowledged", || paper.noted("hook") == Some(3)).await;
    assert!(begun.elapsed() >= Duration::from_secs(40), "the destination was left alone");
    assert_eq!(*script.seen.lock().unwrap(), [vec![1, 2, 3], vec![2, 3]]);
    until("it is well again", || progress.health().is_ok()).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_was_killed_goes_on_where_the_acknowledgements_end() {
    let paper = Paper::new();
    paper.count(2);
    let first = run(paper, from_the_first());
    until("two are acknowledged", || first.paper.noted("hook") == Some(2)).await;
    first.task.abort();
    first.paper.count(2);
    let second = run(Arc::clone(&first.paper), from_the_first());
    until("the rest is acknowledged", || second.paper.noted("hook") == Some(4)).await;
    assert_eq!(*second.script.seen.lock().unwrap(), [vec![3, 4]]);
}

#[tokio::test(start_paused = true)]
async fn records_of_no_concern_cost_no_write_each_and_are_noted_when_it_stops() {
    let paper = Paper::new();
    let ran = run(paper, from_the_first());
    until("it began", || ran.paper.noted("hook").is_some()).await;
    for _ in 0..8 {
        ran.script.answers.lock().unwrap().push_back(Ok(Taken::Passed));
        ran.paper.count(1);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    until("all were seen", || ran.progress.acknowledged() == 8).await;
    assert!(*ran.paper.notes.lock().unwrap() <= 3);
    ran.stop.send_replace(true);
    ran.task.await.unwrap();
    assert_eq!(ran.paper.noted("hook"), Some(8));
}

/// T088
#[tokio::test(start_paused = true)]
async fn the_lease_is_lost_with_the_journal_or_the_destination_and_comes_back() {
    let paper = Paper::new();
    let ran = run(paper, from_the_first());
    until("it is well", || ran.progress.health().is_ok()).await;
    *ran.script.gone.lock().unwrap() = true;
    until("the destination is missed", || ran.progress.health().is_err()).await;
    *ran.script.gone.lock().unwrap() = false;
    until("it is well again", || ran.progress.health().is_ok()).await;
    *ran.paper.broken.lock().unwrap() = true;
    ran.paper.count(1);
    until("the journal is missed", || ran.progress.health().is_err()).await;
    *ran.paper.broken.lock().unwrap() = false;
    until("the record is acknowledged", || ran.paper.noted("hook") == Some(1)).await;
    until("it is well at last", || ran.progress.health().is_ok()).await;
}
