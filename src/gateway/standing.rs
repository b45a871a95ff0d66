//! A subscription that stands: whoever it tells is asked for again each time, and may be told less than before.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use super::{Changes, Gateway, topic::Topic};
use crate::mcp::{Capabilities, Filter, List};
use crate::{
    domain::{DecisionId, Reach, ServerName, Subject, limits},
    identity::{AuthError, Identity, Shown},
    mcp::server::{Event, Origin, Proof, Scope},
};

/// Before somebody is asked for again who could not be asked for.
const AGAIN: Duration = Duration::from_secs(1);

/// A subscription.
pub(super) struct Standing {
    pub(super) gateway: Arc<Gateway>,
    /// Who opened it.
    pub(super) opener: Arc<Subject>,
    /// What the client can do for a server that asks it back.
    pub(super) capabilities: Arc<Capabilities>,
    pub(super) proof: Proof,
    pub(super) scope: Scope,
    pub(super) decision: DecisionId,
    pub(super) origin: Origin,
    pub(super) granted: Filter,
}

/// What the credential of the opener is worth now.
enum Who {
    /// It proves this subject, with the roles of this moment.
    Known(Arc<Subject>),
    /// It cannot be told now; nothing is told until it can.
    Unsure,
    /// It proves nothing any more.
    Gone,
}

impl Standing {
    fn is_frozen(&self, server: Option<&ServerName>) -> bool {
        let request = Reach { agent: &self.opener.agent, server, exception: None, pilot: None };
        self.gateway.parts.admission.is_frozen(&request)
    }

    /// Takes no rate: this is no request of the caller.
    async fn who(&self) -> Who {
        let same = |subject: &Subject| {
            let person = |subject: &Subject| subject.on_behalf_of.as_ref().map(|delegator| delegator.person.clone());
            subject.agent == self.opener.agent && person(subject) == person(&self.opener)
        };
        match self.gateway.parts.authenticator.authenticate(&self.proof.headers(), Shown::Before).await {
            Ok(Identity::Agent(subject)) if same(&subject) => {
                Who::Known(self.gateway.labelled(subject, self.gateway.parts.clock.now()))
            }
            Err(AuthError::Unavailable) => Who::Unsure,
            Err(AuthError::Expired) if self.proof.is_renewed() => Who::Unsure,
            Ok(_) | Err(_) => Who::Gone,
        }
    }

    /// Passes on the news of a topic until the server ends them or the caller is gone.
    pub(super) async fn follow(
        self: Arc<Self>,
        topic: Arc<Topic>,
        mut news: mpsc::Receiver<Bytes>,
        sender: mpsc::Sender<Event>,
    ) {
        while let Some(params) = news.recv().await {
            let subject = match self.who().await {
                Who::Known(subject) => subject,
                Who::Unsure => continue,
                Who::Gone => return,
            };
            if self.is_frozen(Some(topic.server())) {
                continue;
            }
            if let Some(event) = self.gateway.news((&subject, &self.capabilities), &self.scope, &topic, &params) {
                // A reader that is too slow misses news of what it can read at any time.
                let _sent = sender.try_send(event);
            }
        }
    }

    /// Tells of changes of lists. Returns when nobody listens any more, or the caller may not, or something that was
    /// granted is told no more; only a new subscription can say what is granted then.
    pub(super) async fn stand(
        self: Arc<Self>,
        (topics, mut followers): (Vec<Arc<Topic>>, JoinSet<()>),
        (mut before, mut changes): (Changes, watch::Receiver<Changes>),
        sender: mpsc::Sender<Event>,
    ) {
        // The first look is at once: the caller may be less by now than when the request came.
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                () = sender.closed() => return,
                Some(_ended) = followers.join_next() => return,
                changed = changes.changed() => if changed.is_err() { return },
                () = sleep(wait) => {}
            }
            wait = limits::KEEP_ALIVE;
            let now = *changes.borrow_and_update();
            let subject = match self.who().await {
                Who::Known(subject) => subject,
                Who::Unsure => {
                    // A session shows another credential with its next request, which may be long in coming.
                    wait = if self.proof.is_renewed() { limits::KEEP_ALIVE } else { AGAIN };
                    continue;
                }
                Who::Gone => return,
            };
            if topics.iter().any(|topic| self.gateway.cleared(&subject, topic).is_none()) {
                return;
            }
            // Lists that change meanwhile are told when the gateway is released.
            if self.is_frozen(self.scope.server()) {
                continue;
            }
            for list in self.changed(&before, &now) {
                if sender.send(Event::Changed(list)).await.is_err() {
                    return;
                }
            }
            before = now;
        }
    }

    fn changed(&self, before: &Changes, now: &Changes) -> impl Iterator<Item = List> {
        let lists = [
            (self.granted.tools && now.tools != before.tools, List::Tools),
            (self.granted.prompts && now.prompts != before.prompts, List::Prompts),
            (self.granted.resources && now.resources != before.resources, List::Resources),
        ];
        lists.into_iter().filter_map(|(tell, list)| tell.then_some(list))
    }
}
