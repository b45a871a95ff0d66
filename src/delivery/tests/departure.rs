//! What leaves is the newest checkpoint, until it is taken, and nothing else.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;

use super::support::until;
use crate::{
    delivery::{Courier, Departure, Parcel, Setback, Standing},
    evidence::{Checkpoint, SigningKey},
    telemetry::{Settings, Telemetry},
};

pub fn standing(name: &str) -> (Arc<Standing>, Telemetry) {
    let settings = Settings { endpoint: None, ratio: 0.0, lease: Duration::from_secs(2) };
    let telemetry = Telemetry::start(&settings).unwrap();
    (Arc::new(Standing::new(name.to_owned(), Arc::clone(telemetry.metrics()))), telemetry)
}

pub fn note(size: u64) -> Arc<str> {
    let key = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
    Checkpoint { size, root: [1; 32] }.sign(&key).into()
}

#[derive(Default)]
struct Road {
    answers: Mutex<VecDeque<Result<(), Setback>>>,
    carried: Mutex<Vec<u64>>,
}

struct On(Arc<Road>);

#[async_trait]
impl Courier for On {
    async fn carry(&mut self, parcel: &Parcel) -> Result<(), Setback> {
        self.0.carried.lock().unwrap().push(parcel.signed.size);
        self.0.answers.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_goes_and_it_goes_until_it_is_taken() {
    let road = Arc::new(Road::default());
    let (standing, telemetry) = standing("webhook");
    let departure = Departure::new(Box::new(On(Arc::clone(&road))), Duration::from_secs(10), Arc::clone(&standing));
    let departure = Arc::new(departure);
    let (sender, checkpoints) = watch::channel(Some(note(1)));
    road.answers.lock().unwrap().extend([Err(Setback::new("503")), Err(Setback::new("503"))]);
    let running = tokio::spawn(Arc::clone(&departure).run(checkpoints));
    let sizes = || road.carried.lock().unwrap().clone();
    until("it is taken after two refusals", || sizes() == [1, 1, 1]).await;
    assert_eq!(standing.stood().trouble, None);
    for size in 2..=9 {
        sender.send_replace(Some(note(size)));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((sizes().len(), standing.stood().behind > 0), (3, true), "ten seconds between two");
    until("the newest goes when the time has come", || sizes() == [1, 1, 1, 9]).await;
    let stood = standing.stood();
    assert_eq!((stood.taken, stood.behind, stood.lacking), (9, 0, Duration::ZERO));
    let text = telemetry.metrics_text().unwrap();
    assert!(text.contains(r#"postern_checkpoint_failures_total{to="webhook"} 2"#), "{text}");
    assert!(text.contains(r#"postern_checkpoint_lag_seconds{to="webhook"} 0"#), "{text}");
    running.abort();
    departure.last(&note(10)).await;
    assert_eq!((sizes().last(), standing.stood().taken), (Some(&10), 10));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_nothing_is_behind_with_a_reason() {
    let road = Arc::new(Road::default());
    road.answers.lock().unwrap().extend((0..100).map(|_| Err(Setback::new("it answers with status 500"))));
    let (standing, _telemetry) = standing("webhook");
    let departure = Departure::new(Box::new(On(Arc::clone(&road))), Duration::from_secs(1), Arc::clone(&standing));
    let (_sender, checkpoints) = watch::channel(Some(note(7)));
    let running = tokio::spawn(Arc::new(departure).run(checkpoints));
    tokio::time::sleep(Duration::from_secs(120)).await;
    let stood = standing.stood();
    assert_eq!((stood.taken, stood.behind), (0, 7));
    assert_eq!(stood.trouble.as_deref(), Some("it answers with status 500"));
    let asked = road.carried.lock().unwrap().len();
    assert!((5..30).contains(&asked), "{asked} times in two minutes: it is left alone longer each time");
    running.abort();
}
