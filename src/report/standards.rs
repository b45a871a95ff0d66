//! The map from evidence to controls of standards, as data with a version, and what the gateway holds of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Holdings, csv, register::moment};
use crate::domain::Timestamp;

const DATA: &str = include_str!("standards.json");

/// The map cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the map of standards is faulty: {0}")]
pub struct StandardsError(String);

/// A standard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Its short name here.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Which edition.
    pub edition: String,
    /// Where it stands.
    pub address: String,
}

/// A control of a standard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Its exact id.
    pub id: String,
    /// The standard.
    pub framework: String,
    /// Its title.
    pub title: String,
    /// Where the title was read: `primary`, `secondary` or `unverified`.
    pub read: String,
}

/// An id that people use, and what it means here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The id.
    pub id: String,
    /// The controls.
    pub means: Vec<String>,
    /// Why.
    pub note: String,
}

/// A kind of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Its id.
    pub id: String,
    /// In words.
    pub title: String,
    /// The tags of the records that it is made of ([`Holdings`]).
    pub records: Vec<String>,
    /// The controls that it supports. It is never said that they are complied with.
    pub supports: Vec<String>,
}

/// The map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standards {
    /// Its version.
    pub version: String,
    /// When it was last held against the sources.
    pub stamp: String,
    /// What evidence does for a control.
    pub says: String,
    /// How to read `read`.
    pub source: String,
    /// The standards.
    pub frameworks: Vec<Framework>,
    /// Their controls.
    pub controls: Vec<Control>,
    /// Other ids.
    pub aliases: Vec<Alias>,
    /// The kinds of evidence.
    pub evidence: Vec<Evidence>,
}

/// One kind of evidence, how much of it there is, and what it supports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapped {
    /// The evidence.
    pub evidence: String,
    /// In words.
    pub title: String,
    /// How many records, or parts of records, there are of it.
    pub held: u64,
    /// The first of them.
    pub first: Option<Timestamp>,
    /// The last.
    pub last: Option<Timestamp>,
    /// The controls that it supports.
    pub supports: Vec<Control>,
}

impl Standards {
    /// The map of this version of the program.
    ///
    /// # Errors
    /// It names a control or a standard that it does not have.
    pub fn read() -> Result<Self, StandardsError> {
        let map: Self = serde_json::from_str(DATA).map_err(|error| StandardsError(error.to_string()))?;
        let controls: BTreeSet<&str> = map.controls.iter().map(|control| control.id.as_str()).collect();
        let frameworks: BTreeSet<&str> = map.frameworks.iter().map(|framework| framework.id.as_str()).collect();
        let named = map.evidence.iter().flat_map(|evidence| &evidence.supports);
        let named = named.chain(map.aliases.iter().flat_map(|alias| &alias.means));
        let lost = named.filter(|id| !controls.contains(id.as_str()));
        let homeless = map.controls.iter().map(|c| &c.framework).filter(|id| !frameworks.contains(id.as_str()));
        match lost.chain(homeless).next() {
            Some(id) => Err(StandardsError(format!("`{id}` is not in it"))),
            None => Ok(map),
        }
    }

    /// The map with what is held of each kind of evidence.
    #[must_use]
    pub fn mapped(&self, holdings: &Holdings) -> Vec<Mapped> {
        self.evidence.iter().map(|evidence| self.one(evidence, holdings)).collect()
    }

    fn one(&self, evidence: &Evidence, holdings: &Holdings) -> Mapped {
        let held: Vec<_> = evidence.records.iter().filter_map(|tag| holdings.held(tag)).collect();
        let control = |id: &String| self.controls.iter().find(|control| control.id == *id).cloned();
        Mapped {
            evidence: evidence.id.clone(),
            title: evidence.title.clone(),
            held: held.iter().map(|held| held.count).sum(),
            first: held.iter().map(|held| held.first).min(),
            last: held.iter().map(|held| held.last).max(),
            supports: evidence.supports.iter().filter_map(control).collect(),
        }
    }

    /// The map as CSV (RFC 4180): one line for each evidence and control.
    #[must_use]
    pub fn csv(&self, mapped: &[Mapped]) -> String {
        let columns = ["evidence", "held", "first", "last", "says", "control", "title", "standard", "edition", "read"];
        let mut out = csv::line(columns);
        for evidence in mapped {
            let time = |at: Option<Timestamp>| at.map(moment).unwrap_or_default();
            for control in &evidence.supports {
                let framework = self.frameworks.iter().find(|one| one.id == control.framework);
                let (standard, edition) = framework.map(|f| (f.title.clone(), f.edition.clone())).unwrap_or_default();
                out.push_str(&csv::line([
                    evidence.evidence.clone(),
                    evidence.held.to_string(),
                    time(evidence.first),
                    time(evidence.last),
                    if evidence.held > 0 { self.says.clone() } else { "not held".to_owned() },
                    control.id.clone(),
                    control.title.clone(),
                    standard,
                    edition,
                    control.read.clone(),
                ]));
            }
        }
        out
    }
}
