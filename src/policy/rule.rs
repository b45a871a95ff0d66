//! One Cedar policy of a file, with its place and the tools and principals that it can match.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint,
    ffi::DetailedError,
};

use super::{
    model::{Mention, Names},
    source::{Level, SourceFile},
};
use crate::domain::{Findings, ServerName, ToolRef};

/// One policy.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its `@id`, unique over all files.
    pub(super) id: Arc<str>,
    /// What it may do.
    pub(super) level: Level,
    /// The policy, under its `@id`.
    pub(super) policy: Policy,
    /// What of the context it reads.
    pub(super) mention: Mention,
    /// Its file.
    pub(super) file: Arc<str>,
    /// The line where it begins.
    pub(super) line: usize,
    principal: PrincipalConstraint,
    action: ActionConstraint,
    resource: ResourceConstraint,
}

/// The parts of a request that scopes are held against.
pub(super) struct Scope<'a> {
    /// The action, `server/tool` or `request`.
    pub(super) action: &'a EntityUid,
    /// The group that it is in, if any.
    pub(super) group: Option<&'a EntityUid>,
    /// The tool.
    pub(super) tool: &'a EntityUid,
    /// Its server.
    pub(super) server: &'a EntityUid,
}

impl Rule {
    /// Reads one file; what is wrong goes to the findings.
    pub(super) fn read(file: &SourceFile, level: Level, names: &Names, findings: &mut Findings) -> Vec<Self> {
        let set: PolicySet = match file.text.parse() {
            Ok(set) => set,
            Err(errors) => {
                for error in errors.iter() {
                    report(findings, &file.path, &file.text, &DetailedError::from(error));
                }
                return Vec::new();
            }
        };
        for template in set.templates() {
            let line = file.text.find(&template.to_cedar()).map_or(0, |at| line_at(&file.text, at));
            findings.push(
                &file.path,
                line,
                "",
                "templates are not read here; write the principal and the resource out",
            );
        }
        // The parser numbers policies in their order in the file.
        let number =
            |policy: &Policy| policy.id().to_string().trim_start_matches("policy").parse().unwrap_or(usize::MAX);
        let ordered: BTreeMap<usize, &Policy> = set.policies().map(|policy| (number(policy), policy)).collect();
        let path: Arc<str> = file.path.as_str().into();
        let mut from = 0;
        let mut rules = Vec::new();
        for policy in ordered.into_values() {
            let text = policy.to_cedar().unwrap_or_default();
            let rest = file.text.get(from..).unwrap_or_default();
            let start = from + rest.find(&text).unwrap_or_default();
            from = start + text.len();
            let place = Place { file: &path, line: line_at(&file.text, start), level };
            rules.extend(Self::check(policy, &place, names, findings));
        }
        rules
    }

    fn check(policy: &Policy, place: &Place<'_>, names: &Names, findings: &mut Findings) -> Option<Self> {
        let before = findings.0.len();
        let mut find = |message: String| findings.push(place.file, place.line, "", message);
        let id = policy.annotation("id").unwrap_or_default();
        if id.is_empty() || id.len() > 128 || !id.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c)) {
            find("the policy needs `@id(\"…\")`: 1 to 128 of A-Z a-z 0-9 . _ - :".to_owned());
        }
        match (place.level, policy.effect()) {
            (Level::Role, Effect::Forbid) => {
                find(format!("`{id}` forbids; under roles/ policies only permit, move it to guardrails/"));
            }
            (Level::Hard | Level::Soft | Level::Advisory, Effect::Permit) => {
                find(format!("`{id}` permits; under guardrails/ policies only forbid, move it to roles/"));
            }
            (Level::Role, Effect::Permit) | (Level::Hard | Level::Soft | Level::Advisory, Effect::Forbid) => {}
        }
        let folder = place.level.as_str();
        if place.level != Level::Role {
            match policy.annotation("level") {
                Some(level) if level == folder => {}
                Some(level) => {
                    find(format!("`{id}` has @level(\"{level}\") but stands in guardrails/{folder}/; make them agree"))
                }
                None => find(format!("`{id}` needs @level(\"{folder}\"), as its folder says")),
            }
            if policy.annotation("owner").is_none_or(str::is_empty) {
                find(format!("`{id}` needs @owner(\"…\"): who answers for this guardrail"));
            }
        }
        let rule = Self {
            id: id.into(),
            level: place.level,
            mention: Mention::of(policy),
            file: Arc::clone(place.file),
            line: place.line,
            principal: policy.principal_constraint(),
            action: policy.action_constraint(),
            resource: policy.resource_constraint(),
            policy: policy.new_id(PolicyId::new(id)),
        };
        if rule.mention.stranger {
            find(format!(
                "`{id}` asks what a stranger to the call is in; ask it of `principal`, `resource` or `context.user`"
            ));
        }
        if rule.level == Level::Role && matches!(rule.principal, PrincipalConstraint::Any | PrincipalConstraint::Is(_))
        {
            find(format!("`{id}` permits whoever asks; name a role: `principal in Role::\"…\"`"));
        }
        if matches!(&rule.action, ActionConstraint::Eq(uid) if *uid == names.call) {
            find(format!(
                "`{id}` matches no call, because `Action::\"call\"` is a group; write `action in Action::\"call\"`"
            ));
        }
        (findings.0.len() == before).then_some(rule)
    }

    /// Whether the scope of the policy can match this action and tool, whoever asks.
    pub(super) fn meets(&self, scope: &Scope<'_>) -> bool {
        let is_action = |uid: &EntityUid| uid == scope.action || Some(uid) == scope.group;
        let action = match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid == scope.action,
            ActionConstraint::In(uids) => uids.iter().any(is_action),
        };
        action
            && match &self.resource {
                ResourceConstraint::Any => true,
                ResourceConstraint::Eq(uid) => uid == scope.tool,
                ResourceConstraint::Is(kind) => kind == scope.tool.type_name(),
                ResourceConstraint::In(uid) => uid == scope.tool || uid == scope.server,
                ResourceConstraint::IsIn(kind, uid) => {
                    kind == scope.tool.type_name() && (uid == scope.tool || uid == scope.server)
                }
            }
    }

    /// Whether the scope of the policy can match this action, whatever it is done to.
    pub(super) fn acts(&self, action: &EntityUid) -> bool {
        match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid == action,
            ActionConstraint::In(uids) => uids.contains(action),
        }
    }

    /// Whether the policy speaks of no call of a tool and no wish for one.
    pub(super) fn is_of_verbs(&self, names: &Names) -> bool {
        match &self.action {
            ActionConstraint::Any => false,
            ActionConstraint::Eq(uid) => names.is_verb(uid),
            ActionConstraint::In(uids) => uids.iter().all(|uid| names.is_verb(uid)),
        }
    }

    /// Whether the scope of the policy may reach something of this server.
    pub(super) fn reaches(&self, server: &EntityUid, names: &Names) -> bool {
        let within = |uid: &EntityUid| {
            uid == server || names.as_tool(uid).is_some_and(|tool| names.server(&tool.server) == *server)
        };
        let resource = match &self.resource {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => true,
            ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => within(uid),
        };
        let action = match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => names.as_tool(uid).is_none() || within(uid),
            ActionConstraint::In(uids) => uids.iter().any(|uid| names.as_tool(uid).is_none() || within(uid)),
        };
        resource && action
    }

    /// Whether the scope of the policy can match this principal with these roles.
    pub(super) fn concerns(&self, principal: &EntityUid, roles: &HashSet<EntityUid>) -> bool {
        let is_principal = |uid: &EntityUid| uid == principal || roles.contains(uid);
        match &self.principal {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(uid) => uid == principal,
            PrincipalConstraint::Is(kind) => kind == principal.type_name(),
            PrincipalConstraint::In(uid) => is_principal(uid),
            PrincipalConstraint::IsIn(kind, uid) => kind == principal.type_name() && is_principal(uid),
        }
    }

    /// The tools that the policy names, as tools or by their actions.
    pub(super) fn tools(&self, names: &Names) -> BTreeSet<ToolRef> {
        self.policy.entity_literals().iter().filter_map(|uid| names.as_tool(uid)).collect()
    }

    /// The servers that its scope names.
    pub(super) fn server(&self, names: &Names) -> Option<ServerName> {
        match &self.resource {
            ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => names.as_server(uid),
            ResourceConstraint::Any | ResourceConstraint::Eq(_) | ResourceConstraint::Is(_) => None,
        }
    }

    /// The policy for the validator, without the actions in its scope that `keep` refuses.
    pub(super) fn trimmed(&self, keep: impl Fn(&EntityUid) -> bool) -> Policy {
        let ActionConstraint::In(actions) = &self.action else { return self.policy.clone() };
        let kept: Vec<_> = actions.iter().filter(|uid| keep(uid)).filter_map(|uid| uid.to_json_value().ok()).collect();
        if kept.is_empty() || kept.len() == actions.len() {
            return self.policy.clone();
        }
        let json = self.policy.to_json().ok().and_then(|mut json| {
            *json.pointer_mut("/action/entities")? = kept.into();
            Some(json)
        });
        let policy = json.and_then(|json| Policy::from_json(Some(self.policy.id().clone()), json).ok());
        policy.unwrap_or_else(|| self.policy.clone())
    }

    /// Whether the scope alone decides.
    pub(super) fn is_plain(&self) -> bool {
        !self.policy.has_non_scope_constraint()
    }
}

struct Place<'a> {
    file: &'a Arc<str>,
    line: usize,
    level: Level,
}

/// The line, from 1, of this byte of the text.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// An error of Cedar as a finding at its line.
pub(super) fn report(findings: &mut Findings, file: &str, text: &str, error: &DetailedError) {
    let place = error.source_locations.first();
    let line = place.map_or(0, |label| line_at(text, label.loc.start));
    let label = place.and_then(|label| label.label.as_deref()).map(|label| format!(", {label}")).unwrap_or_default();
    let help = error.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
    findings.push(file, line, "", format!("{}{label}{help}", error.message));
}
