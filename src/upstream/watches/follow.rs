//! Keeps a server telling what is watched: streams that are opened anew, or subscriptions of the legacy era.

use std::{collections::BTreeSet, future::Future, pin::Pin, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::Standing;
use crate::{
    mcp::{
        Era, Filter,
        client::{self, Answer, Server, Topic},
    },
    upstream::{
        FailureKind, Patience,
        backoff::{Backoff, jitter},
        board::Board,
        list::Ask,
    },
};

/// A server that can be listened to.
pub(in crate::upstream) trait Listen: Ask {
    /// Listens until the stream ends; `Ok` means that there is no such stream. On a modern server for the filter,
    /// on a legacy one for whatever it tells.
    fn listen(&self, filter: Filter) -> impl Future<Output = Result<(), FailureKind>> + Send;
}

/// Where a server is listened to, and how patiently.
#[derive(Clone, Copy)]
pub(in crate::upstream) struct Beat<'a> {
    pub(in crate::upstream) board: &'a Board,
    pub(in crate::upstream) patience: Patience,
    pub(in crate::upstream) time: Duration,
}

/// Keeps the server telling of changes of its lists and of all that is watched. Never ends.
pub(in crate::upstream) async fn follow<T: Listen>(server: &T, says: &Server, beat: Beat<'_>) {
    match server.speaker().version.era {
        Era::Modern => streams(server, says, beat).await,
        Era::Legacy => {
            tokio::join!(standing(server, says, beat), subscriptions(server, says, beat));
        }
    }
}

type Stream<'a> = Pin<Box<dyn Future<Output = Result<(), FailureKind>> + Send + 'a>>;

/// One stream for everything; when the set changes, a new one replaces it once it was acknowledged.
async fn streams<T: Listen>(server: &T, says: &Server, beat: Beat<'_>) {
    let board = beat.board;
    let mut backoff = Backoff::new(beat.patience);
    let mut wanted = filter(says, board);
    let mut begun = Instant::now();
    let mut newest: Option<Stream<'_>> = open(server, &wanted);
    let mut older: Option<Stream<'_>> = None;
    loop {
        tokio::select! {
            biased;
            () = board.watches.opened.notified() => older = None,
            () = board.watches.changed.notified() => {
                let now = filter(says, board);
                if now != wanted {
                    wanted = now;
                    begun = Instant::now();
                    let opened = open(server, &wanted);
                    older = std::mem::replace(&mut newest, opened).filter(|_| newest.is_some());
                }
            }
            _ended = ended(&mut older) => older = None,
            end = ended(&mut newest) => {
                newest = None;
                if end.is_ok() {
                    // It has no such stream: nothing can be watched, now or later.
                    refuse(board);
                } else {
                    if begun.elapsed() > beat.patience.ceiling {
                        backoff.worked();
                    }
                    sleep(jitter(backoff.pause())).await;
                    wanted = filter(says, board);
                    begun = Instant::now();
                    newest = open(server, &wanted);
                    // What changed meanwhile was told to nobody.
                    board.stale.notify_one();
                }
            }
        }
    }
}

fn open<'a, T: Listen>(server: &'a T, wanted: &Filter) -> Option<Stream<'a>> {
    let wanted = wanted.clone();
    (!wanted.is_empty()).then(|| Box::pin(server.listen(wanted)) as Stream<'a>)
}

async fn ended(stream: &mut Option<Stream<'_>>) -> Result<(), FailureKind> {
    match stream {
        Some(stream) => stream.await,
        None => std::future::pending().await,
    }
}

/// Everything that is worth a stream now.
fn filter(says: &Server, board: &Board) -> Filter {
    let mut filter = says.changes();
    for topic in board.watches.topics() {
        match topic {
            Topic::Resource(uri) if says.subscribe => filter.uris.push(uri),
            Topic::Task(task) => filter.tasks.push(task),
            Topic::Resource(_) => board.watches.settle(&topic, Standing::Refused),
        }
    }
    filter
}

fn refuse(board: &Board) {
    for topic in board.watches.topics() {
        board.watches.settle(&topic, Standing::Refused);
    }
}

/// The standing stream of a legacy server, opened anew whenever it ends.
async fn standing<T: Listen>(server: &T, says: &Server, beat: Beat<'_>) {
    let mut backoff = Backoff::new(beat.patience);
    if !says.tells() && !says.subscribe {
        return;
    }
    loop {
        let begun = Instant::now();
        if server.listen(Filter::default()).await.is_ok() {
            return;
        }
        if begun.elapsed() > beat.patience.ceiling {
            backoff.worked();
        }
        sleep(jitter(backoff.pause())).await;
        beat.board.stale.notify_one();
    }
}

/// The subscriptions of a legacy server: what is watched is subscribed to once, and no longer than it is watched.
async fn subscriptions<T: Listen>(server: &T, says: &Server, beat: Beat<'_>) {
    let board = beat.board;
    let mut subscribed = BTreeSet::new();
    loop {
        let topics: BTreeSet<Topic> = board.watches.topics().into_iter().collect();
        let gone: Vec<Topic> = subscribed.difference(&topics).cloned().collect();
        for topic in gone {
            if let Topic::Resource(uri) = &topic {
                let _told = subscribe(server, uri, false, beat.time).await;
            }
            subscribed.remove(&topic);
        }
        for topic in &topics {
            if subscribed.contains(topic) {
                continue;
            }
            let told = match topic {
                Topic::Resource(uri) if says.subscribe => subscribe(server, uri, true, beat.time).await,
                Topic::Resource(_) | Topic::Task(_) => false,
            };
            if told {
                subscribed.insert(topic.clone());
            }
            board.watches.settle(topic, if told { Standing::Told } else { Standing::Refused });
        }
        board.watches.changed.notified().await;
    }
}

async fn subscribe<T: Listen>(server: &T, uri: &str, on: bool, time: Duration) -> bool {
    let id = server.next();
    let request = client::subscribe(server.speaker(), id, uri, on);
    matches!(timeout(time, server.ask(id, request)).await, Ok(Ok(Answer::Result(_))))
}
