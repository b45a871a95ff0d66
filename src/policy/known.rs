//! A tool that the set knows, and the context of a call of it.

use std::sync::{Arc, OnceLock};

use cedar_policy::{Context, EntityUid, RestrictedExpression, Schema};
use serde_json::{Map, Value};

use super::{
    grant,
    model::{self, Input, Mention, Names, Unfit},
    rule::{Rule, Scope},
};
use crate::{
    catalog::Tool,
    domain::{Subject, Timestamp},
};

/// A tool that the set knows.
pub(super) struct Known {
    /// Its definition.
    pub(super) tool: Arc<Tool>,
    /// The types of its arguments.
    pub(super) input: Input,
    /// `Action::"server/tool"`.
    pub(super) action: EntityUid,
    /// `Tool::"server/tool"`.
    pub(super) resource: EntityUid,
    /// `Server::"server"`.
    pub(super) server: EntityUid,
    /// The policies that can match a call of it, by their place in the set.
    pub(super) calls: Vec<usize>,
    /// The policies that can match the wish for it, by their place in the set.
    pub(super) wishes: Vec<usize>,
    schema: OnceLock<Option<Schema>>,
}

impl Known {
    /// The tool with its types; its policies come by [`Self::meet`].
    pub(super) fn new(tool: Arc<Tool>, names: &Names) -> Self {
        let reference = &tool.reference;
        Self {
            input: Input::of(&tool.input_schema),
            action: names.action(reference),
            resource: names.tool(reference),
            server: names.server(&reference.server),
            calls: Vec::new(),
            wishes: Vec::new(),
            schema: OnceLock::new(),
            tool,
        }
    }

    /// Picks the policies whose scopes can match the tool.
    pub(super) fn meet(&mut self, rules: &[Rule], names: &Names) {
        let call = Scope { action: &self.action, group: Some(&names.call), tool: &self.resource, server: &self.server };
        let wish = Scope { action: &names.request, group: None, ..call };
        let places =
            |scope: &Scope<'_>| (0..).zip(rules).filter(|(_, r)| r.meets(scope)).map(|(place, _)| place).collect();
        (self.calls, self.wishes) = (places(&call), places(&wish));
    }

    /// The Cedar schema of this tool and of the actions that its policies name besides; `None` if it cannot be made.
    pub(super) fn schema(&self, rules: &[Rule], names: &Names) -> Option<&Schema> {
        let make = || {
            let nothing = Input::default();
            let rules = self.calls.iter().filter_map(|place| rules.get(*place));
            let others: Vec<_> =
                rules.flat_map(|rule| rule.tools(names)).filter(|tool| *tool != self.tool.reference).collect();
            let tools = others.iter().map(|tool| (tool, &nothing)).chain([(&self.tool.reference, &self.input)]);
            Schema::from_json_value(model::schema(tools)).ok()
        };
        self.schema.get_or_init(make).as_ref()
    }
}

/// The facts of the moment, beside who asks for what.
pub(super) struct Moment {
    /// Now.
    pub(super) now: Timestamp,
    /// The user that the agent acts for.
    pub(super) user: Option<EntityUid>,
    /// The labels of what the agent has seen lately.
    pub(super) taints: Arc<[String]>,
}

impl Moment {
    /// The facts of this subject's moment.
    pub(super) fn of(names: &Names, subject: &Subject, now: Timestamp) -> Self {
        Self { now, user: names.delegator(subject), taints: Arc::clone(&subject.taints) }
    }

    /// The context of one call, with what is read.
    pub(super) fn context(
        &self,
        known: &Known,
        arguments: &Map<String, Value>,
        mention: &Mention,
    ) -> Result<Context, Unfit> {
        let mut pairs = self.pairs(mention)?;
        pairs.push(("input".to_owned(), known.input.express(arguments, |name| mention.reads(name))?));
        Context::from_pairs(pairs).map_err(|_| Unfit)
    }

    /// The context of a wish.
    pub(super) fn wish(&self, mention: &Mention) -> Result<Context, Unfit> {
        Context::from_pairs(self.pairs(mention)?).map_err(|_| Unfit)
    }

    /// Time, user and labels, as far as they are read.
    pub(super) fn pairs(&self, mention: &Mention) -> Result<Vec<(String, RestrictedExpression)>, Unfit> {
        let mut pairs = Vec::with_capacity(3);
        if mention.now {
            let text = grant::milliseconds(self.now).ok_or(Unfit)?;
            pairs.push(("now".to_owned(), RestrictedExpression::new_datetime(text)));
        }
        if let Some(user) = self.user.clone().filter(|_| mention.user) {
            pairs.push(("user".to_owned(), RestrictedExpression::new_entity_uid(user)));
        }
        if mention.taints {
            let labels = self.taints.iter().map(|label| RestrictedExpression::new_string(label.clone()));
            pairs.push(("taints".to_owned(), RestrictedExpression::new_set(labels)));
        }
        Ok(pairs)
    }
}
