//! Rounds of a request: what a server asks for before it answers, and what the client says to it (SEP-2322).

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Capabilities, Feature, ParseError, emit, members, message};

/// Requests for input in one round.
const REQUESTS: usize = 32;
/// Bytes of a `requestState`.
const STATE: usize = 256 << 10;

/// What a server may ask a client for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputMethod {
    /// `elicitation/create`.
    Elicit,
    /// `sampling/createMessage`.
    Sample,
    /// `roots/list`.
    ListRoots,
}

impl InputMethod {
    /// The method as messages name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Elicit => "elicitation/create",
            Self::Sample => "sampling/createMessage",
            Self::ListRoots => "roots/list",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Elicit, Self::Sample, Self::ListRoots].into_iter().find(|method| method.as_str() == name)
    }

    /// The feature that a client must have declared to be asked.
    #[must_use]
    pub const fn feature(self) -> Feature {
        match self {
            Self::Elicit => Feature::Elicitation,
            Self::Sample => Feature::Sampling,
            Self::ListRoots => Feature::Roots,
        }
    }
}

/// One thing that a server asks for.
#[derive(Debug, Clone)]
pub struct InputRequest {
    /// The server's name for it, unique in its round.
    pub key: Box<str>,
    /// What is asked.
    pub method: InputMethod,
    /// With what: a JSON object, as it was sent.
    pub params: Option<Box<RawValue>>,
}

/// How an elicitation asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elicitation {
    /// With a form.
    Form,
    /// By this page, which may be no URL.
    Url(String),
}

impl InputRequest {
    /// Whether a client of these capabilities can be asked this: it must have said so (T036).
    #[must_use]
    pub fn is_declared(&self, capabilities: &Capabilities) -> bool {
        let feature = self.method.feature();
        let Some(parts) = capabilities.get(feature.member()) else { return false };
        let parts = members(parts).unwrap_or_default();
        let has = |part: &str| parts.iter().any(|(key, _)| key == part);
        match self.method {
            InputMethod::Elicit => match self.elicitation() {
                Some(Elicitation::Url(_)) => has("url"),
                // Without a word of modes, forms are meant.
                Some(Elicitation::Form) => parts.is_empty() || has("form"),
                None => false,
            },
            InputMethod::Sample => self.param("tools").is_none() || has("tools"),
            InputMethod::ListRoots => true,
        }
    }

    /// By what an elicitation asks; nothing if it is by something that is not known here.
    #[must_use]
    pub fn elicitation(&self) -> Option<Elicitation> {
        let text = |name: &str| self.param(name).map(|value| message::string(value).map(Cow::into_owned));
        match text("mode") {
            None => Some(Elicitation::Form),
            Some(mode) => match mode.as_deref() {
                Some("form") => Some(Elicitation::Form),
                Some("url") => Some(Elicitation::Url(text("url").flatten().unwrap_or_default())),
                _ => None,
            },
        }
    }

    fn param(&self, name: &str) -> Option<&RawValue> {
        let params = members(self.params.as_deref()?.get()).ok()?;
        params.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// What a server asks for in what it says of a task, in order; the result within a task can ask, too.
    ///
    /// # Errors
    /// No JSON object; a request that no client can be asked; too many of them.
    pub fn of_task(task: &str) -> Result<Vec<Self>, ParseError> {
        let mut asked = Vec::new();
        for (key, value) in members(task)? {
            match key.as_ref() {
                "inputRequests" => asked.extend(requests(value)?),
                "result" if value.get().starts_with('{') => {
                    for (key, value) in members(value.get())? {
                        if key == "inputRequests" {
                            asked.extend(requests(value)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// A round that ends with questions instead of an answer.
#[derive(Debug, Clone, Default)]
pub struct InputRequired {
    /// What is asked, in order.
    pub requests: Vec<InputRequest>,
    /// What the client has to send back unread.
    pub state: Option<String>,
}

impl InputRequired {
    /// Reads a result of the type `input_required`.
    ///
    /// # Errors
    /// Neither requests nor state; a request that no client can be asked; too many of them.
    pub fn read(result: &str) -> Result<Self, ParseError> {
        let mut read = Self::default();
        for (key, value) in members(result)? {
            match key.as_ref() {
                "inputRequests" => read.requests = requests(value)?,
                "requestState" => {
                    let state = message::string(value).filter(|state| state.len() <= STATE);
                    read.state = Some(state.ok_or(ParseError::Member("requestState"))?.into_owned());
                }
                _ => {}
            }
        }
        if read.requests.is_empty() && read.state.is_none() {
            return Err(ParseError::Member("inputRequests"));
        }
        Ok(read)
    }
}

impl InputRequired {
    /// `inputRequests` as a JSON object, in order.
    #[must_use]
    pub fn requests_json(&self) -> Vec<u8> {
        let each = self.requests.iter().map(|request| {
            let method = emit::json(request.method.as_str());
            let mut pieces: Vec<(&str, &[u8])> = vec![("method", &method)];
            if let Some(params) = &request.params {
                pieces.push(("params", params.get().as_bytes()));
            }
            (&*request.key, emit::object(&pieces))
        });
        let each: Vec<_> = each.collect();
        let pieces: Vec<_> = each.iter().map(|(key, request)| (*key, request.as_ref())).collect();
        emit::object(&pieces).into()
    }

    /// The members of a result, as [`Self::read`] takes them.
    #[must_use]
    pub fn json(&self) -> Bytes {
        let requests = self.requests_json();
        let state = self.state.as_deref().map(emit::json);
        let mut pieces: Vec<(&str, &[u8])> = Vec::with_capacity(2);
        if !self.requests.is_empty() {
            pieces.push(("inputRequests", &requests));
        }
        if let Some(state) = &state {
            pieces.push(("requestState", state));
        }
        emit::object(&pieces)
    }
}

fn requests(raw: &RawValue) -> Result<Vec<InputRequest>, ParseError> {
    let bad = ParseError::Member("inputRequests");
    let all = members(raw.get())?;
    if all.len() > REQUESTS {
        return Err(bad);
    }
    let each = all.iter().map(|(key, value)| {
        let request = members(value.get())?;
        let get = |name: &str| request.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
        let method = get("method").and_then(message::string).and_then(|method| InputMethod::of(&method));
        let params = get("params");
        if params.is_some_and(|params| !params.get().starts_with('{')) {
            return Err(bad.clone());
        }
        let method = method.ok_or_else(|| bad.clone())?;
        Ok(InputRequest { key: key.as_ref().into(), method, params: params.map(ToOwned::to_owned) })
    });
    each.collect()
}

/// What a client sends along when it repeats a request after a round of questions.
#[derive(Debug, Clone, Default)]
pub struct InputGiven {
    /// `inputResponses`: a JSON object of results by key.
    pub responses: Option<Box<RawValue>>,
    /// `requestState`, as it was given out.
    pub state: Option<String>,
}

impl InputGiven {
    /// Reads the members of a request's `params`; none if it is the first round.
    ///
    /// # Errors
    /// A member of the wrong kind.
    pub fn read(params: &super::Params<'_>) -> Result<Option<Self>, ParseError> {
        let responses = params.get("inputResponses");
        if responses.is_some_and(|responses| !responses.get().starts_with('{')) {
            return Err(ParseError::Member("params.inputResponses"));
        }
        let state = match params.get("requestState") {
            Some(raw) => Some(message::string(raw).ok_or(ParseError::Member("params.requestState"))?.into_owned()),
            None => None,
        };
        if responses.is_none() && state.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { responses: responses.map(ToOwned::to_owned), state }))
    }
}
