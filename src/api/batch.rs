//! Several AuthZEN questions at once (Authorization API 1.0, Access Evaluations), and searches over what is known.

use serde::{Deserialize, Serialize};

use super::authzen::{Action, Context, Decided, Evaluation, Thing};

/// `POST /access/v1/evaluations`: what the single questions leave out is taken from here, member by member.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Batch {
    /// Who.
    pub subject: Option<Thing>,
    /// Does what.
    pub action: Option<Action>,
    /// To what.
    pub resource: Option<Thing>,
    /// How.
    pub context: Option<Context>,
    /// The questions; none asks one question, made of the members above.
    #[serde(default)]
    pub evaluations: Vec<Part>,
    /// How they are gone through.
    #[serde(default)]
    pub options: Options,
}

/// One of several questions.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Part {
    /// Who.
    pub subject: Option<Thing>,
    /// Does what.
    pub action: Option<Action>,
    /// To what.
    pub resource: Option<Thing>,
    /// How.
    pub context: Option<Context>,
}

/// How several questions are gone through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Options {
    /// When to stop.
    pub evaluations_semantic: Semantic,
}

/// When to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Semantic {
    /// After the last.
    #[default]
    ExecuteAll,
    /// After the first no.
    DenyOnFirstDeny,
    /// After the first yes.
    PermitOnFirstPermit,
}

impl Semantic {
    /// Whether nothing is asked after this answer.
    #[must_use]
    pub const fn stops(self, decision: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision,
            Self::PermitOnFirstPermit => decision,
        }
    }
}

impl Batch {
    /// The question of this part, or the member that nobody gave.
    ///
    /// # Errors
    /// The name of that member.
    pub fn question(&self, part: Part) -> Result<Evaluation, &'static str> {
        Ok(Evaluation {
            subject: part.subject.or_else(|| self.subject.clone()).ok_or("subject")?,
            action: part.action.or_else(|| self.action.clone()).ok_or("action")?,
            resource: part.resource.or_else(|| self.resource.clone()).ok_or("resource")?,
            context: part.context.or_else(|| self.context.clone()).unwrap_or_default(),
        })
    }
}

/// What a batch is answered with: the answers in the order of the questions, up to where it stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BatchAnswer {
    /// To several.
    Several {
        /// The answers.
        evaluations: Vec<Decided>,
    },
    /// To the one question of a batch without `evaluations`.
    One(Decided),
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// Agents that may.
    Subject,
    /// Tools that it may call.
    Resource,
    /// What may be done.
    Action,
}

/// `POST /access/v1/search/{subject,resource,action}`: the id of what is looked for is absent, or ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Search {
    /// Who.
    pub subject: Kindred,
    /// Does what; absent where actions are looked for.
    pub action: Option<Action>,
    /// To what.
    pub resource: Kindred,
    /// How. Without `arguments`, only what is allowed whatever they are is found.
    #[serde(default)]
    pub context: Context,
    /// Which page.
    #[serde(default)]
    pub page: PageWish,
}

/// Something with a type, and with an id unless it is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kindred {
    /// `agent` or `tool`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which.
    pub id: Option<String>,
}

/// Which page of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PageWish {
    /// `next_token` of the page before.
    pub token: Option<String>,
    /// The most results.
    pub limit: Option<usize>,
}

/// One page of what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// How to go on.
    pub page: Page,
    /// What was found, in order.
    pub results: Vec<Hit>,
}

/// How to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// To be sent for the next page; empty behind the last.
    pub next_token: String,
    /// Results on this page.
    pub count: usize,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Hit {
    /// A subject or a resource.
    Thing(Thing),
    /// An action.
    Action(Action),
}
