//! What a subscription tells of besides lists: a resource or a task, and how its news reach the client.

use bytes::Bytes;

use super::{Gateway, names::Task, question::Asked, rename};
use crate::{
    catalog::{Inquiry, expose_uri},
    domain::{Method, ServerName, Subject},
    mcp::{
        Capabilities, emit, members,
        server::{Event, Scope},
    },
    policy::Clearance,
};

/// Something that is watched.
pub(super) struct Topic {
    server: ServerName,
    /// The URI or task as the client knows it.
    known: String,
    what: What,
}

enum What {
    /// A resource, by its server's own URI.
    Resource(String),
    Task(Task),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Resource,
    Task,
}

impl Topic {
    pub(super) const fn server(&self) -> &ServerName {
        &self.server
    }

    fn inquiry(&self) -> Option<Inquiry> {
        match &self.what {
            What::Resource(uri) => self.resource(uri),
            What::Task(task) => Inquiry::task(Method::GetTask, task.tool.clone(), &task.id, Vec::new()).ok(),
        }
    }

    fn resource(&self, uri: &str) -> Option<Inquiry> {
        Inquiry::resource(self.server.clone(), Method::Subscribe, uri, Vec::new()).ok()
    }
}

impl Gateway {
    /// What the client names, if it names something.
    pub(super) fn topic(&self, subject: &Subject, scope: &Scope, kind: Kind, known: &str) -> Option<Topic> {
        let (server, what) = match kind {
            Kind::Resource => {
                let (server, uri) = self.resource(scope, known)?;
                (server, What::Resource(uri))
            }
            Kind::Task => {
                let task = self.opened(subject, scope, known)?;
                (task.tool.server.clone(), What::Task(task))
            }
        };
        Some(Topic { server, known: known.to_owned(), what })
    }

    /// Permission to tell the subject of a topic now.
    pub(super) fn cleared(&self, subject: &Subject, topic: &Topic) -> Option<Clearance> {
        self.judged(subject, topic.inquiry()?)
    }

    fn judged(&self, subject: &Subject, inquiry: Inquiry) -> Option<Clearance> {
        self.parts.world.load().policies.judge(subject, inquiry, self.parts.clock.now()).ok()
    }

    /// News of a topic as the subject may have them. A server may tell of a resource that lies within the one that
    /// is watched: that one must be permitted too. Of a resource nothing but its URI is told.
    /// What a task asks for is told only where it may be asked.
    pub(super) fn news(
        &self,
        (subject, capabilities): (&Subject, &Capabilities),
        scope: &Scope,
        topic: &Topic,
        params: &Bytes,
    ) -> Option<Event> {
        let _watched: Clearance = self.cleared(subject, topic)?;
        let all = matches!(scope, Scope::All).then_some(&topic.server);
        if let What::Task(_) = topic.what {
            let (world, now) = (self.parts.world.load(), self.parts.clock.now());
            let asked = Asked { policies: &world.policies, subject, capabilities, now };
            if let Err(why) = asked.by_task(&topic.server, params) {
                tracing::warn!(server = %topic.server, why, "news of a task ask what they may not and are not told");
                return None;
            }
            return rename::task(params, all, |_| Some(topic.known.clone())).map(Event::Task);
        }
        let members = members(std::str::from_utf8(params).ok()?).ok()?;
        let uri = members.iter().find(|(key, _)| key == "uri").map(|(_, uri)| uri.get())?;
        let uri: String = serde_json::from_str(uri).ok()?;
        let _told: Clearance = self.judged(subject, topic.resource(&uri)?)?;
        let uri = all.map_or(uri.clone(), |server| expose_uri(server, &uri));
        Some(Event::Updated(emit::object(&[("uri", &emit::json(&uri))])))
    }
}
