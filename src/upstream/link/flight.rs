//! A call over a conversation, which may be asked something before it is answered.

use std::{any::Any, sync::Arc};

use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Link, Ticket};
use crate::{
    mcp::{
        Id,
        client::{self, Outgoing, Speaker},
        code,
    },
    upstream::{
        Dispatch, FailureKind,
        errand::Errand,
        rounds::{Ear, EarRef, Flight, Question, Step, can_be_asked},
    },
};

/// Questions that wait for one call.
const QUESTIONS: usize = 4;

/// A call on its way.
pub(in crate::upstream) struct LinkFlight {
    // Dropped first: the server learns that nobody answers before it learns that nobody waits.
    asked: Asked,
    ticket: Ticket,
    questions: Option<mpsc::Receiver<Question>>,
    /// What lives for as long as the call does.
    _kept: (OwnedSemaphorePermit, Option<Arc<dyn Any + Send + Sync>>),
}

struct Asked {
    link: Arc<Link>,
    question: Option<Question>,
}

impl LinkFlight {
    /// Announces a call; nothing if the conversation is over. A call can be asked back only if `legacy`.
    pub(in crate::upstream) fn new(
        link: &Arc<Link>,
        id: u64,
        (errand, dispatch): (&Errand, &Dispatch),
        kept: (OwnedSemaphorePermit, Option<Arc<dyn Any + Send + Sync>>),
        legacy: bool,
    ) -> Option<Self> {
        let ear = Ear::of(dispatch, errand.method());
        let asked = legacy && ear.takes_input && can_be_asked(&ear.capabilities);
        let (sender, questions) = asked.then(|| mpsc::channel(QUESTIONS)).unzip();
        let ticket = link.announce(id, Some(ear), sender)?;
        let asked = Asked { link: link.clone(), question: None };
        Some(Self { asked, ticket, questions, _kept: kept })
    }

    /// Sends the request and waits for the first step.
    pub(in crate::upstream) async fn begin(&mut self, request: Outgoing) -> Result<Step, FailureKind> {
        self.ticket.send(request.body).await?;
        self.wait().await
    }

    /// Whether the server may have seen the request.
    pub(in crate::upstream) const fn sent(&self) -> bool {
        self.ticket.sent()
    }

    async fn wait(&mut self) -> Result<Step, FailureKind> {
        let Some(questions) = &mut self.questions else { return self.ticket.answer().await.map(Step::Answer) };
        tokio::select! {
            biased;
            answer = self.ticket.answer() => answer.map(Step::Answer),
            Some(question) = questions.recv() => {
                self.asked.question = Some(question);
                self.ticket.mute();
                Ok(Step::Asks)
            }
        }
    }
}

impl Flight for LinkFlight {
    fn question(&mut self) -> &mut Option<Question> {
        &mut self.asked.question
    }

    async fn reply(&mut self, to: &RawValue, answer: &RawValue) -> Result<(), FailureKind> {
        let id = Id::read(to).map_err(|_| FailureKind::Garbage)?;
        let reply = client::answer(Speaker::MODERN, id, answer).body;
        self.ticket.link().tell(reply).await
    }

    async fn step(&mut self, ear: EarRef<'_>) -> Result<Step, FailureKind> {
        self.ticket.hear(ear.keep());
        self.wait().await
    }

    async fn idle(&mut self) {
        // The reader of the conversation goes on by itself.
        std::future::pending().await
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(question) = self.question.take() else { return };
        if let Ok(id) = Id::read(&question.id) {
            let fault = client::fault(Speaker::MODERN, id, code::INTERNAL, "nobody answered in time");
            let _queued = self.link.messages.try_send(fault.body);
        }
    }
}
