//! What people ask of the records: what would be otherwise, and what an agent can do now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ApiError, act::reason, requests::json as read};
use crate::domain::{AgentId, Document, ExceptionId, PersonId, PilotId, RoleName, Verdict};

/// Days that are looked at, unless the request says otherwise.
const DAYS: u32 = 30;
/// The most days.
const DAYS_CEILING: u32 = 400;

/// A question about recorded calls, or a step of a removal test.
#[derive(Debug, Clone)]
pub enum Study {
    /// Which recorded decisions would change.
    Simulate(Simulate),
    /// What is decided for one subject and tool now.
    Can(Can),
    /// What would break without an exception; keeps the result in its life.
    RemovalReport(ExceptionId, Removal),
    /// Takes the exception away from a part of its agents for a while.
    RemovalTrial(ExceptionId, Trial),
    /// Gives it back before the time.
    RemovalRestore(ExceptionId, String),
    /// Exceptions that look unneeded.
    Proposals(u32),
    /// The role that takes over.
    Graduate(Graduate),
}

/// `POST /api/v1/simulate`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Simulate {
    /// Files of a policies folder, path to text.
    pub policies: Option<BTreeMap<String, String>>,
    /// A record, as YAML or JSON.
    pub exception: Option<String>,
    /// An exception less.
    pub without: Option<ExceptionId>,
    /// Days to look back.
    pub days: Option<u32>,
}

impl Simulate {
    /// The record that is to be tried.
    ///
    /// # Errors
    /// It is no document.
    pub fn record(&self) -> Result<Option<Document>, ApiError> {
        self.exception.as_deref().map(|text| Document::parse("", text).map_err(ApiError::faulty)).transpose()
    }
}

/// `POST /api/v1/can`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Can {
    /// The agent.
    pub agent: AgentId,
    /// The person that it acts for.
    #[serde(rename = "for")]
    pub person: Option<PersonId>,
    /// Roles that a token would assert beside those of agents.yaml.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// The tool: the name that agents see, or `server/tool`.
    pub tool: String,
    /// The arguments; none asks what holds whatever they are.
    pub arguments: Option<Map<String, Value>>,
}

/// `POST /api/v1/exceptions/{id}/removal/report`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Removal {
    /// Files of a policies folder that are to take over, path to text.
    pub policies: Option<BTreeMap<String, String>>,
    /// Days to look back.
    pub days: Option<u32>,
}

/// `POST /api/v1/exceptions/{id}/removal/trial`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Part of its agents.
    pub percent: u8,
    /// For how long.
    pub minutes: u32,
    /// Why.
    pub reason: String,
}

/// `POST /api/v1/graduate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graduate {
    /// An exception,
    pub exception: Option<ExceptionId>,
    /// or a pilot.
    pub pilot: Option<PilotId>,
    /// The role.
    pub role: RoleName,
    /// Days to look back.
    pub days: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    reason: Option<String>,
}

/// The days of a request, within bounds.
///
/// # Errors
/// None, or too many.
pub fn days(asked: Option<u32>) -> Result<u32, ApiError> {
    match asked.unwrap_or(DAYS) {
        days @ 1..=DAYS_CEILING => Ok(days),
        _ => Err(ApiError::invalid(format!("`days` must be from 1 to {DAYS_CEILING}"))),
    }
}

impl Study {
    /// The question of this path; `id` is the one in it.
    pub(super) fn read(word: &str, id: &str, query: Option<&str>, body: &[u8]) -> Result<Self, ApiError> {
        let exception = || id.parse().map_err(|_| ApiError::not_found());
        Ok(match word {
            "simulate" => {
                let simulate: Simulate = read(body)?;
                days(simulate.days)?;
                if simulate.policies.is_none() && simulate.exception.is_none() && simulate.without.is_none() {
                    return Err(ApiError::invalid("give `policies`, `exception` or `without`: what is to be tried"));
                }
                Self::Simulate(simulate)
            }
            "can" => Self::Can(read(body)?),
            "report" => {
                let removal: Removal = read(body)?;
                days(removal.days)?;
                Self::RemovalReport(exception()?, removal)
            }
            "trial" => {
                let trial: Trial = read(body)?;
                let trial = Trial { reason: reason(Some(trial.reason))?, ..trial };
                Self::RemovalTrial(exception()?, trial)
            }
            "restore" => Self::RemovalRestore(exception()?, reason(read::<Restore>(body)?.reason)?),
            "proposals" => {
                let asked = query.unwrap_or_default().strip_prefix("days=").map(str::parse);
                let asked = asked.transpose().map_err(|_| ApiError::invalid("`days` is a number"))?;
                Self::Proposals(days(asked)?)
            }
            "graduate" => {
                let graduate: Graduate = read(body)?;
                days(graduate.days)?;
                if graduate.exception.is_some() == graduate.pilot.is_some() {
                    return Err(ApiError::invalid("give either `exception` or `pilot`"));
                }
                Self::Graduate(graduate)
            }
            _ => return Err(ApiError::not_found()),
        })
    }
}

/// What `postern can` answers. Nothing of it is recorded as a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CanView {
    /// The agent.
    pub agent: AgentId,
    /// The person that it acts for.
    pub on_behalf_of: Option<PersonId>,
    /// The roles that were judged.
    pub roles: Vec<RoleName>,
    /// The tool, as `server/tool`.
    pub tool: String,
    /// `yes`, `no`, or `depends` on arguments or time.
    pub answer: String,
    /// One sentence.
    pub summary: String,
    /// What the subject sees of the tool.
    pub sees: String,
    /// The decision, where arguments were given.
    pub verdict: Option<Verdict>,
    /// Policies that speak of this agent and tool, as `level id (file:line)`.
    pub policies: Vec<String>,
    /// Exceptions that name this agent and tool now, with how they stand.
    pub exceptions: Vec<String>,
    /// What would stop the call besides: a freeze, a control that does not work.
    pub besides: Vec<String>,
}
