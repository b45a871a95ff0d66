//! A call of a legacy server on its way, from round to round.

use std::future::Future;

use serde_json::value::RawValue;

use super::{EarRef, Lot, Question, Slot};
use crate::{
    mcp::{Era, InputGiven, client::Answer, code},
    upstream::{CallEnd, Dispatch, FailureKind, conclude::conclude, errand::Errand},
};

/// How far a call came.
#[derive(Debug)]
pub(in crate::upstream) enum Step {
    /// The server answered.
    Answer(Answer),
    /// It asks; the flight keeps the question.
    Asks,
}

/// A call that was sent. When it is dropped before its end, the server is told.
pub(in crate::upstream) trait Flight: Send + Sized + 'static {
    /// The question that waits for its answer.
    fn question(&mut self) -> &mut Option<Question>;
    /// What it counts as.
    fn slot(&mut self) -> &mut Slot;
    /// Answers the question.
    fn reply(&mut self, to: &RawValue, answer: &RawValue) -> impl Future<Output = Result<(), FailureKind>> + Send;
    /// Waits for the answer or the next question.
    fn step(&mut self, ear: EarRef<'_>) -> impl Future<Output = Result<Step, FailureKind>> + Send;
    /// Keeps the exchange alive while nobody waits. Never ends; may be dropped at any time.
    fn idle(&mut self) -> impl Future<Output = ()> + Send;
}

/// What the first step of a flight means.
pub(in crate::upstream) fn begin<F: Flight>(
    lot: &Lot<F>,
    flight: F,
    step: Result<Step, FailureKind>,
    (errand, dispatch): (&Errand, &Dispatch),
) -> CallEnd {
    match step {
        Ok(Step::Answer(answer)) => conclude(answer, errand.method(), Era::Legacy, &dispatch.capabilities),
        // Dropping the flight tells the server that nobody can be asked.
        Ok(Step::Asks) => match lot.park(flight, dispatch, errand) {
            Some(required) => CallEnd::InputRequired(required),
            None => CallEnd::lost(FailureKind::Busy),
        },
        Err(kind) => CallEnd::lost(kind),
    }
}

/// Goes on with the flight that the client's state names.
pub(in crate::upstream) async fn resume<F: Flight>(
    lot: &Lot<F>,
    given: &InputGiven,
    (errand, dispatch): (&Errand, &Dispatch),
) -> CallEnd {
    let state = given.state.as_deref().unwrap_or_default();
    let Some(mut flight) = lot.take(state, &dispatch.principal, errand).await else {
        return CallEnd::RpcError {
            code: code::INVALID_PARAMS,
            message: "the requestState is not known: it was used, its time is over, or it is of another request".into(),
            data: None,
            more: Vec::new(),
        };
    };
    let step = advance(&mut flight, given, EarRef::of(dispatch, errand.method())).await;
    begin(lot, flight, step, (errand, dispatch))
}

async fn advance<F: Flight>(flight: &mut F, given: &InputGiven, ear: EarRef<'_>) -> Result<Step, FailureKind> {
    if let Some(question) = flight.question().take() {
        let Some(answer) = Question::answer(given) else {
            // What was not answered is asked once more.
            *flight.question() = Some(question);
            return Ok(Step::Asks);
        };
        flight.reply(&question.id, &answer).await?;
    }
    flight.step(ear).await
}
