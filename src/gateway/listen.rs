//! Subscriptions: what is told is judged when it begins, and again whenever policy may have changed.

use std::{collections::HashMap, sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{Changes, Gateway, rename};
use crate::mcp::{Filter, List};
use crate::{
    catalog::Inquiry,
    domain::{DecisionId, Method, ServerName, Subject},
    evidence::{Caller, Record, Subscription},
    mcp::server::{Event, ListenRequest, Listening, Origin, RpcError, Scope},
    policy::Clearance,
};

/// Events that wait for a slow reader; what comes then is not told, but for lists, which are told again.
const WAITING: usize = 64;

/// Something that is watched, and how its news reach the client.
struct Topic {
    kind: Kind,
    server: ServerName,
    /// The URI or task as the client knows it.
    known: String,
    inquiry: Box<dyn Fn() -> Option<Inquiry> + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Resource,
    Task,
}

/// What a subscription tells of, besides lists.
type Topics = HashMap<String, (Arc<Topic>, AbortOnDropHandle<()>)>;

struct Standing {
    subject: Arc<Subject>,
    scope: Scope,
    decision: DecisionId,
    origin: Origin,
    granted: Filter,
}

impl Gateway {
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        subject: &Arc<Subject>,
        request: ListenRequest,
    ) -> Result<Listening, RpcError> {
        let ListenRequest { scope, filter, origin } = request;
        let (sender, events) = mpsc::channel(WAITING);
        let offer = self.offered(subject, &scope);
        let mut granted = Filter {
            tools: filter.tools,
            prompts: filter.prompts && offer.prompts,
            resources: filter.resources && offer.resources,
            ..Filter::default()
        };
        let mut topics = Topics::new();
        for (kind, known) in
            filter.uris.iter().map(|u| (Kind::Resource, u)).chain(filter.tasks.iter().map(|t| (Kind::Task, t)))
        {
            let Some(topic) = self.topic(subject, &scope, kind, known) else { continue };
            let Some(follower) = self.follow(subject, &scope, &topic, &sender).await else { continue };
            match kind {
                Kind::Resource => granted.uris.push(known.clone()),
                Kind::Task => granted.tasks.push(known.clone()),
            }
            topics.insert(known.clone(), (topic, follower));
        }
        let decision = super::visit::decision_id(self.parts.clock.now());
        let standing = Standing { subject: Arc::clone(subject), scope, decision, origin, granted: granted.clone() };
        self.note(&standing, true).await?;
        let changes = self.parts.changes.subscribe();
        tokio::spawn(Arc::clone(self).stand(standing, topics, changes, sender));
        Ok(Listening { granted, events })
    }

    /// What the client names, if it names something.
    fn topic(&self, subject: &Subject, scope: &Scope, kind: Kind, known: &str) -> Option<Arc<Topic>> {
        let (server, inquiry): (ServerName, Box<dyn Fn() -> Option<Inquiry> + Send + Sync>) = match kind {
            Kind::Resource => {
                let (server, uri) = self.resource(scope, known)?;
                let of = server.clone();
                let make = move || Inquiry::resource(of.clone(), Method::Subscribe, &uri, Vec::new()).ok();
                (server, Box::new(make))
            }
            Kind::Task => {
                let task = self.opened(subject, scope, known)?;
                let server = task.tool.server.clone();
                (server, Box::new(move || Inquiry::task(Method::GetTask, task.tool.clone(), &task.id, Vec::new()).ok()))
            }
        };
        Some(Arc::new(Topic { kind, server, known: known.to_owned(), inquiry }))
    }

    fn cleared(&self, subject: &Subject, topic: &Topic) -> Option<Clearance> {
        let world = self.parts.world.load();
        world.policies.judge(subject, (topic.inquiry)()?, self.parts.clock.now()).ok()
    }

    /// Begins to pass on the news of a topic; none if it is not permitted or the server tells none.
    async fn follow(
        &self,
        subject: &Subject,
        scope: &Scope,
        topic: &Arc<Topic>,
        sender: &mpsc::Sender<Event>,
    ) -> Option<AbortOnDropHandle<()>> {
        let mut news = self.watch(self.cleared(subject, topic)?).await?;
        let (topic, scope, sender) = (Arc::clone(topic), scope.clone(), sender.clone());
        Some(AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some(params) = news.recv().await {
                let Some(event) = event(&topic, &scope, &params) else { continue };
                // A reader that is too slow misses news of what it can read at any time.
                let _sent = sender.try_send(event);
            }
        })))
    }

    /// Tells of changes until nobody listens any more.
    async fn stand(
        self: Arc<Self>,
        standing: Standing,
        mut topics: Topics,
        mut changes: watch::Receiver<Changes>,
        sender: mpsc::Sender<Event>,
    ) {
        let mut before = *changes.borrow_and_update();
        loop {
            let changed = tokio::select! {
                changed = changes.changed() => changed,
                () = sender.closed() => break,
            };
            if changed.is_err() {
                break;
            }
            let now = *changes.borrow_and_update();
            topics.retain(|_, (topic, _)| self.cleared(&standing.subject, topic).is_some());
            let lists = [
                (standing.granted.tools && now.tools != before.tools, List::Tools),
                (standing.granted.prompts && now.prompts != before.prompts, List::Prompts),
                (standing.granted.resources && now.resources != before.resources, List::Resources),
            ];
            before = now;
            for (_, list) in lists.into_iter().filter(|(tell, _)| *tell) {
                if sender.send(Event::Changed(list)).await.is_err() {
                    break;
                }
            }
        }
        drop(topics);
        if let Err(error) = self.note(&standing, false).await {
            tracing::error!(decision = %standing.decision, %error, "the end of a subscription is not recorded");
        }
    }

    async fn note(&self, standing: &Standing, opened: bool) -> Result<(), RpcError> {
        let mut caller = Caller::of(&standing.subject, standing.origin.version);
        caller.session = standing.origin.session.clone();
        let Filter { tools, prompts, resources, uris, tasks } = &standing.granted;
        let lists = [(*tools, "tools/list"), (*prompts, "prompts/list"), (*resources, "resources/list")];
        let lists = lists.into_iter().filter(|(told, _)| *told).map(|(_, list)| list.to_owned());
        let short = |text: &String| text.chars().take(256).collect();
        let topics = lists.chain(uris.iter().map(short)).chain(tasks.iter().map(|_| "a task".to_owned()));
        let record = Record::Subscription(Subscription {
            decision: standing.decision.clone(),
            at: self.parts.clock.now(),
            caller,
            opened,
            topics: topics.take(64).collect(),
        });
        let begun = Instant::now();
        let recorded = self.parts.admission.record(record).await;
        tracing::debug!(opened, scope = ?standing.scope, took = ?begun.elapsed(), "a subscription");
        recorded.map(|_| ()).map_err(|error| {
            tracing::error!(%error, "a subscription is not recorded");
            super::reply::unrecorded(&standing.decision, false)
        })
    }
}

fn event(topic: &Topic, scope: &Scope, params: &Bytes) -> Option<Event> {
    match (topic.kind, scope) {
        (Kind::Resource, Scope::All) => Some(Event::Updated(rename::notification(&topic.server, params))),
        (Kind::Resource, Scope::Server(_)) => Some(Event::Updated(params.clone())),
        (Kind::Task, scope) => {
            let all = matches!(scope, Scope::All).then_some(&topic.server);
            rename::task(params, all, |_| Some(topic.known.clone())).map(Event::Task)
        }
    }
}
