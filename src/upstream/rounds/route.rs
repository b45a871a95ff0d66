//! Whom a question of a server belongs to that names no call: the one call in flight, or nobody.

use tokio::sync::mpsc;

use super::Question;
use crate::{
    mcp::{
        Capabilities, Id,
        client::{self, Outgoing, Speaker},
        code,
    },
    upstream::conclude::may_ask,
};

/// A call in flight that may be asked.
pub(in crate::upstream) struct Caller<'a> {
    pub(in crate::upstream) takes_input: bool,
    pub(in crate::upstream) capabilities: &'a Capabilities,
    pub(in crate::upstream) questions: Option<&'a mpsc::Sender<Question>>,
}

/// Hands a question to the one call in flight; or gives back what is answered to it at once. With `ghosts` there are
/// calls that were given up, of which it may be as well.
pub(in crate::upstream) fn route<'a>(
    mut calls: impl Iterator<Item = Caller<'a>>,
    ghosts: bool,
    question: Question,
    id: Id<'_>,
    speaker: Speaker<'_>,
) -> Option<Outgoing> {
    let fault = |message| Some(client::fault(speaker, id, code::INTERNAL, message));
    match (calls.next(), calls.next()) {
        (None, _) => fault("no call is in flight that can be asked"),
        _ if ghosts => fault("it may belong to a call that was given up, so it is not known whom to ask"),
        (Some(_), Some(_)) => fault("several calls are in flight, so it is not known whom to ask"),
        (Some(Caller { takes_input: true, capabilities, questions: Some(questions) }), None)
            if may_ask(capabilities, question.method, question.params.as_deref()) =>
        {
            let full = questions.try_send(question).is_err();
            if full { fault("too many questions wait for an answer") } else { None }
        }
        (Some(_), None) => Some(client::refuse(speaker, id)),
    }
}
