//! `evidence.arguments` of postern.yaml: what is kept of the arguments of calls.

use serde::Deserialize;

use super::check::Ground;
use crate::{
    domain::Findings,
    evidence::{Keep, KeepRule, Rest},
};

#[derive(Debug, Deserialize)]
pub(super) struct ArgumentsForm {
    tools: String,
    #[serde(default)]
    clear: Vec<String>,
    #[serde(default)]
    sealed: Vec<String>,
    #[serde(default)]
    omitted: Vec<String>,
    #[serde(default)]
    rest: RestForm,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RestForm {
    #[default]
    Sealed,
    Omitted,
}

/// The rules in their order; finds faults.
pub(super) fn check(forms: &[ArgumentsForm], ground: &Ground<'_>, findings: &mut Findings) -> Keep {
    let rules = forms.iter().enumerate().map(|(at, form)| rule(form, at, (ground, &mut *findings)));
    Keep::new(rules.collect())
}

fn rule(form: &ArgumentsForm, at: usize, (ground, findings): (&Ground<'_>, &mut Findings)) -> KeepRule {
    let base = format!("/evidence/arguments/{at}");
    let shown = |text: &str| text.escape_debug().to_string();
    if !KeepRule::is_pattern(&form.tools) {
        let message = format!(
            "`{}` names no tools; write `server/tool`, where either may be, or end with, `*`",
            shown(&form.tools)
        );
        ground.find(findings, &format!("{base}/tools"), message);
    }
    let mut seen: Vec<&str> = Vec::new();
    for (list, places) in [("clear", &form.clear), ("sealed", &form.sealed), ("omitted", &form.omitted)] {
        for (index, place) in places.iter().enumerate() {
            let pointer = format!("{base}/{list}/{index}");
            let under = |one: &str, other: &str| {
                one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !KeepRule::is_place(place) {
                let message = format!(
                    "`{}` is no place of an argument; write a JSON pointer, such as `/path` or `/options/mode`",
                    shown(place)
                );
                ground.find(findings, &pointer, message);
            } else if list == "clear" && KeepRule::is_secret(place) {
                let message = format!("`{place}` has the name of a secret, which is never kept in clear; seal it");
                ground.find(findings, &pointer, message);
            } else if let Some(other) = seen.iter().find(|other| under(place, other) || under(other, place)) {
                let message = format!("`{place}` and `{other}` name the same or one within the other; keep one");
                ground.find(findings, &pointer, message);
            }
            seen.push(place);
        }
    }
    let rest = match form.rest {
        RestForm::Sealed => Rest::Sealed,
        RestForm::Omitted => Rest::Omitted,
    };
    if matches!(rest, Rest::Omitted) && !form.omitted.is_empty() {
        let message = "with `rest: omitted` all is omitted that no other list names; remove `omitted`";
        ground.find(findings, &format!("{base}/omitted"), message);
    }
    KeepRule {
        tools: form.tools.clone(),
        clear: form.clear.clone(),
        sealed: form.sealed.clone(),
        omitted: form.omitted.clone(),
        rest,
    }
}
