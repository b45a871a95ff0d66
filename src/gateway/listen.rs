//! Subscriptions: what is told is judged when it begins, and again each time that something is told.

use std::{sync::Arc, time::Instant};

use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Gateway,
    standing::Standing,
    topic::{Kind, Topic},
};
use crate::mcp::Filter;
use crate::{
    domain::{Reach, Subject},
    evidence::{Caller, Record, Subscription},
    mcp::server::{ListenRequest, Listening, RpcError},
};

/// Events that wait for a slow reader; what comes then is not told, but for lists, which are told again.
const WAITING: usize = 64;

impl Gateway {
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        subject: &Arc<Subject>,
        request: ListenRequest,
    ) -> Result<Listening, RpcError> {
        let reach = Reach { agent: &subject.agent, server: request.scope.server(), exception: None, pilot: None };
        if self.parts.admission.is_frozen(&reach) {
            return Err(RpcError::new(super::reply::REFUSED, "It is frozen: nothing is told now."));
        }
        let subject = &self.labelled(Arc::clone(subject), self.parts.clock.now());
        // What changes from here on is looked at once the subscription stands.
        let mut changes = self.parts.changes.subscribe();
        let before = *changes.borrow_and_update();
        let ListenRequest { scope, filter, capabilities, proof, origin } = request;
        let (sender, events) = mpsc::channel(WAITING);
        let offer = self.offered(subject, &scope);
        let mut granted = Filter {
            tools: filter.tools,
            prompts: filter.prompts && offer.prompts,
            resources: filter.resources && offer.resources,
            ..Filter::default()
        };
        let mut watched = Vec::new();
        for (kind, known) in
            filter.uris.iter().map(|u| (Kind::Resource, u)).chain(filter.tasks.iter().map(|t| (Kind::Task, t)))
        {
            let Some(topic) = self.topic(subject, &scope, kind, known) else { continue };
            let Some(clearance) = self.cleared(subject, &topic) else { continue };
            let Some(news) = self.watch(clearance).await else { continue };
            match kind {
                Kind::Resource => granted.uris.push(known.clone()),
                Kind::Task => granted.tasks.push(known.clone()),
            }
            watched.push((Arc::new(topic), news));
        }
        let decision = super::visit::decision_id(self.parts.clock.now());
        let (gateway, opener) = (Arc::clone(self), Arc::clone(subject));
        let standing = Arc::new(Standing {
            gateway,
            opener,
            capabilities,
            proof,
            scope,
            decision,
            origin,
            granted: granted.clone(),
        });
        self.note(&standing, true).await?;
        let (mut topics, mut followers) = (Vec::<Arc<Topic>>::new(), JoinSet::new());
        for (topic, news) in watched {
            followers.spawn(Arc::clone(&standing).follow(Arc::clone(&topic), news, sender.clone()));
            topics.push(topic);
        }
        tokio::spawn(async move {
            Arc::clone(&standing).stand((topics, followers), (before, changes), sender).await;
            if let Err(error) = standing.gateway.note(&standing, false).await {
                tracing::error!(decision = %standing.decision, %error, "the end of a subscription is not recorded");
            }
        });
        Ok(Listening { granted, events })
    }

    async fn note(&self, standing: &Standing, opened: bool) -> Result<(), RpcError> {
        let mut caller = Caller::of(&standing.opener, standing.origin.version);
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
