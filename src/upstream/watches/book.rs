//! Who watches what, counted for each topic, and how the server stands to it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};

use crate::mcp::Filter;
use crate::{
    mcp::client::{News, Topic},
    upstream::{FailureKind, Watch, board::Board},
};

/// Topics that are watched at one server.
const TOPICS: usize = 1_024;
/// Watches over one topic.
const WATCHES: usize = 1_024;
/// News that wait for a slow watcher; what is beyond is lost.
const NEWS: usize = 64;

/// How a server stands to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum Standing {
    /// It was not asked yet, or has not answered.
    Asked,
    /// It tells of it.
    Told,
    /// It does not.
    Refused,
}

/// The watches over what one server has.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Watches {
    topics: Mutex<BTreeMap<Topic, Entry>>,
    serial: AtomicU64,
    /// The set of topics changed.
    pub(in crate::upstream) changed: Notify,
    /// A stream was opened for what was wanted.
    pub(in crate::upstream) opened: Notify,
    /// What the stream was opened for that was not acknowledged yet, by the number of its request.
    opening: Mutex<Option<(u64, Filter)>>,
}

#[derive(Debug)]
struct Entry {
    watchers: Vec<(u64, mpsc::Sender<Bytes>)>,
    standing: watch::Sender<Standing>,
}

impl Watches {
    /// Begins a watch, and waits for the word of the server.
    pub(in crate::upstream) async fn watch(board: &Arc<Board>, topic: Topic) -> Result<Watch, FailureKind> {
        let (sender, news) = mpsc::channel(NEWS);
        let mut standing = board.watches.add(&topic, sender.clone())?;
        let (board, id) = (board.clone(), standing.0);
        tokio::spawn(async move {
            sender.closed().await;
            board.watches.remove(&topic, id);
        });
        // If this is given up, the receiver is gone and with it the watch.
        let told = standing.1.wait_for(|standing| *standing != Standing::Asked).await.map(|standing| *standing);
        match told {
            Ok(Standing::Told) => Ok(Watch { news }),
            _ => Err(FailureKind::Unsupported),
        }
    }

    fn add(&self, topic: &Topic, sender: mpsc::Sender<Bytes>) -> Result<(u64, watch::Receiver<Standing>), FailureKind> {
        let id = self.serial.fetch_add(1, Ordering::Relaxed);
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = topics.get_mut(topic) {
            if entry.watchers.len() >= WATCHES {
                return Err(FailureKind::Busy);
            }
            entry.watchers.push((id, sender));
            return Ok((id, entry.standing.subscribe()));
        }
        if topics.len() >= TOPICS {
            return Err(FailureKind::Busy);
        }
        let (standing, told) = watch::channel(Standing::Asked);
        topics.insert(topic.clone(), Entry { watchers: vec![(id, sender)], standing });
        self.changed.notify_one();
        Ok((id, told))
    }

    fn remove(&self, topic: &Topic, id: u64) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = topics.get_mut(topic) else { return };
        entry.watchers.retain(|(known, _)| *known != id);
        if entry.watchers.is_empty() {
            topics.remove(topic);
            self.changed.notify_one();
        }
    }

    /// All topics.
    pub(in crate::upstream) fn topics(&self) -> Vec<Topic> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The server said how it stands to a topic. A refusal ends the watches over it.
    pub(in crate::upstream) fn settle(&self, topic: &Topic, standing: Standing) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if standing == Standing::Refused {
            if let Some(entry) = topics.remove(topic) {
                entry.standing.send_replace(standing);
            }
        } else if let Some(entry) = topics.get(topic) {
            entry.standing.send_replace(standing);
        }
    }

    /// A stream is being opened for this.
    pub(in crate::upstream) fn opening(&self, id: u64, filter: &Filter) {
        *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = Some((id, filter.clone()));
    }

    /// The server said what it will tell on a stream: what it leaves out is refused.
    pub(in crate::upstream) fn acknowledged(&self, of: Option<u64>, told: &Filter) {
        let wanted = {
            let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
            if opening.as_ref().is_some_and(|(id, _)| of.is_none_or(|of| of == *id)) { opening.take() } else { None }
        };
        let Some((_, wanted)) = wanted else { return };
        let standing = |told: bool| if told { Standing::Told } else { Standing::Refused };
        for uri in wanted.uris {
            let told = told.uris.contains(&uri);
            self.settle(&Topic::Resource(uri), standing(told));
        }
        for task in wanted.tasks {
            let told = told.tasks.contains(&task);
            self.settle(&Topic::Task(task), standing(told));
        }
        self.opened.notify_one();
    }

    /// Tells all who watch it. News of what lies within a resource are news of the resource too.
    pub(in crate::upstream) fn tell(&self, news: &News) {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let concerned = topics.iter().filter(|(topic, _)| concerns(topic, &news.topic));
        for (_, watcher) in concerned.flat_map(|(_, entry)| &entry.watchers) {
            // A slow watcher loses some.
            let _told = watcher.try_send(news.params.clone());
        }
    }
}

fn concerns(watched: &Topic, news: &Topic) -> bool {
    match (watched, news) {
        (Topic::Resource(watched), Topic::Resource(news)) => {
            let within = || news.strip_prefix(watched.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
            watched == news || within()
        }
        (Topic::Task(watched), Topic::Task(news)) => watched == news,
        (Topic::Resource(_), Topic::Task(_)) | (Topic::Task(_), Topic::Resource(_)) => false,
    }
}
