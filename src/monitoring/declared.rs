//! controls.yaml: the compensating controls that exist here, and what `response.redact` looks for beside its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jsonschema::Validator;
use serde::Deserialize;
use serde_json::Value;

use super::detect::{self, Detector};
use crate::domain::{Document, Findings, Obligation, PersonId, Registry};

/// The JSON Schema of controls.yaml.
pub const SCHEMA: &str = include_str!("../../policies/schema/controls.json");
/// Between two looks at a control where nothing is said.
pub const LOOK: Duration = Duration::from_millis(250);

/// A control that exists: the six fields of a compensating-control worksheet (PCI DSS, Appendix C), the duties that it
/// meets, and how it is probed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The duties, by their ids.
    pub meets: BTreeSet<String>,
    /// What shows whether it works; each duty has one.
    pub probe: String,
    /// How often it is looked at when nobody calls, as written (`250ms`, `2s`).
    #[serde(default)]
    every: Option<String>,
    /// Who keeps it.
    pub owner: PersonId,
    /// What stands in the way of meeting the rule itself.
    pub constraints: String,
    /// What the rule is for, and what the control is for.
    pub objective: String,
    /// The risk of not meeting the rule.
    pub identified_risk: String,
    /// What the control does.
    pub definition: String,
    /// How it was shown to work.
    pub validation: String,
    /// What keeps it working.
    pub maintenance: String,
}

impl Declaration {
    /// How often it is looked at when nobody calls.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.every.as_deref().and_then(duration).unwrap_or(LOOK)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    controls: Option<BTreeMap<String, Declaration>>,
    #[serde(default)]
    classes: BTreeMap<String, ClassForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassForm {
    pattern: String,
    #[serde(default, rename = "about")]
    _about: Option<String>,
}

/// What exists at this site. Where no file says so, the controls that the gateway keeps by itself count as declared.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// None: everything that the gateway keeps.
    controls: Option<BTreeMap<String, Declaration>>,
    classes: BTreeMap<String, Detector>,
}

impl Declared {
    /// What exists where there is no controls.yaml.
    ///
    /// # Errors
    /// A built-in pattern cannot be compiled.
    pub fn own() -> Result<Self, String> {
        Ok(Self { controls: None, classes: detect::built_in()? })
    }

    /// Reads controls.yaml. Owners are people of the registry.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line.
    pub fn read(file: &str, text: &str, registry: &Registry) -> Result<Self, Findings> {
        let broken = |why: String| Findings::one(file, 0, "", why);
        let document = Document::parse(file, text)?;
        let schema = validator().map_err(broken)?;
        let document = document.faults(&schema).or(document)?;
        let form: Form = document.read()?;
        let mut findings = Findings::default();
        for (id, control) in form.controls.iter().flatten() {
            let place = format!("/controls/{id}");
            for duty in &control.meets {
                let probe = probe_of(duty);
                if probe != control.probe {
                    let message =
                        format!("`{duty}` is probed by `{probe}`: write that, or let another control meet it");
                    document.find(&mut findings, &format!("{place}/probe"), message);
                }
            }
            if !registry.people.get(&control.owner).is_some_and(|person| person.active) {
                let message = format!("`{}` is not an active person of people.yaml; name one", control.owner);
                document.find(&mut findings, &format!("{place}/owner"), message);
            }
        }
        let mut declared = Self::own().map_err(broken)?;
        for (name, class) in &form.classes {
            let place = format!("/classes/{name}");
            if detect::BUILT_IN.contains(&name.as_str()) {
                document.find(
                    &mut findings,
                    &place,
                    format!("`{name}` is a class of the gateway; choose another name"),
                );
            }
            match Detector::of(&class.pattern) {
                Ok(detector) => drop(declared.classes.insert(name.clone(), detector)),
                Err(why) => document.find(&mut findings, &format!("{place}/pattern"), why),
            }
        }
        declared.controls = form.controls;
        findings.or(declared)
    }

    /// Whether a class of what `response.redact` takes out is in this text. Without any class all texts are taken for
    /// such.
    #[must_use]
    pub fn has_secret(&self, text: &str) -> bool {
        self.classes.is_empty() || self.classes.values().any(|class| !class.find(text).is_empty())
    }

    /// The control that meets this duty, by its id; none where no file says so.
    #[must_use]
    pub fn control_of(&self, duty: &str) -> Option<(&str, &Declaration)> {
        let mut controls = self.controls.iter().flatten();
        controls.find(|(_, control)| control.meets.contains(duty)).map(|(id, control)| (id.as_str(), control))
    }

    /// Whether a control is declared that meets this duty.
    #[must_use]
    pub fn declares(&self, duty: &str) -> bool {
        self.controls.is_none() || self.control_of(duty).is_some()
    }

    /// The classes of these names.
    ///
    /// # Errors
    /// The first that nobody declared.
    pub(super) fn classes<'a>(
        &'a self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Result<Vec<(&'a str, &'a Detector)>, String> {
        let find = |name: &'a String| {
            let found = self.classes.get(name).map(|detector| (name.as_str(), detector));
            found.ok_or_else(|| {
                let known: Vec<&str> = self.classes.keys().map(String::as_str).collect();
                format!(
                    "there is no class `{name}`; the classes are {}, or declare it in controls.yaml",
                    known.join(", ")
                )
            })
        };
        names.into_iter().map(find).collect()
    }
}

/// What shows whether a duty can be met.
#[must_use]
pub fn probe_of(duty: &str) -> &'static str {
    match duty {
        "audit.write_ahead" | "budget.reserve" => "journal",
        "trace.full" => "exporter",
        "args.capture" | "response.capture" => "sealer",
        "response.redact" => "detectors",
        "taint.mark" | "dry_run_first" => "memory",
        "approval.hold" => "approvals",
        "notify.owner" => "outbox",
        "shadow.evaluate" => "shadow",
        "watch.attached" => "watchers",
        "export.acknowledged" => "export",
        _ => "call",
    }
}

/// Duties that every exception has by its nature, whatever a file declares.
pub(super) const IMPLIED: [&str; 5] =
    ["args.constrain", "audit.write_ahead", "budget.reserve", "descriptor.pin", "rate.limit"];

fn validator() -> Result<Validator, String> {
    let mut schema: Value = serde_json::from_str(SCHEMA).map_err(|error| error.to_string())?;
    if let Some(list) = schema.pointer_mut("/$defs/duty/enum") {
        *list = Obligation::IDS.as_slice().into();
    }
    jsonschema::validator_for(&schema).map_err(|error| error.to_string())
}

fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(number) => number.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}
