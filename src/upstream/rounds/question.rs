//! What a legacy server asks during a call.

use serde_json::value::RawValue;

use crate::{
    mcp::{InputGiven, InputMethod, InputRequest, InputRequired, members},
    upstream::clean,
};

/// The name of the one request of a round.
const KEY: &str = "question";

/// A request of a server that waits for its answer.
#[derive(Debug)]
pub(in crate::upstream) struct Question {
    /// The server's id of it, as JSON.
    pub(in crate::upstream) id: Box<RawValue>,
    pub(in crate::upstream) method: InputMethod,
    pub(in crate::upstream) params: Option<Box<RawValue>>,
}

impl Question {
    /// The round that asks it.
    pub(in crate::upstream) fn round(&self, state: String) -> InputRequired {
        let params = self.params.as_deref().map(|params| clean::question(params).unwrap_or_else(|| params.to_owned()));
        let request = InputRequest { key: KEY.into(), method: self.method, params };
        InputRequired { requests: vec![request], state: Some(state) }
    }

    /// What the client answered to it, if it did.
    pub(in crate::upstream) fn answer(given: &InputGiven) -> Option<Box<RawValue>> {
        let responses = members(given.responses.as_deref()?.get()).ok()?;
        let (_, answer) = responses.iter().find(|(key, _)| key == KEY)?;
        answer.get().starts_with('{').then(|| (*answer).to_owned())
    }
}
