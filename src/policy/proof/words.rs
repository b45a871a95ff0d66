//! A call that the solver found, in words.

use cedar_policy_symcc::Env;

use super::answer::Example;

/// Characters of a context.
const CONTEXT: usize = 1_024;

/// The example, with names of the cast instead of those that the solver chose.
pub(super) fn example(env: &Env, principal: Option<String>, policies: Vec<String>) -> Example {
    let request = &env.request;
    let or_nobody = |uid: Option<String>| uid.unwrap_or_else(|| "nobody".to_owned());
    let mut names: Vec<String> = request.context().cloned().into_iter().flatten().map(|(name, _)| name).collect();
    names.sort();
    let mut on_behalf_of = None;
    let mut context = String::new();
    for name in names {
        let Some(value) = request.context().and_then(|context| context.get(&name)) else { continue };
        let value = value.to_string();
        if name == "user" {
            on_behalf_of = Some(value);
            continue;
        }
        let comma = if context.is_empty() { "" } else { ", " };
        context.push_str(&format!("{comma}{name}: {value}"));
    }
    Example {
        principal: principal.unwrap_or_else(|| or_nobody(request.principal().map(ToString::to_string))),
        on_behalf_of,
        action: or_nobody(request.action().map(ToString::to_string)),
        resource: or_nobody(request.resource().map(ToString::to_string)),
        context: format!("{{{}}}", context.chars().take(CONTEXT).collect::<String>()),
        policies,
    }
}
