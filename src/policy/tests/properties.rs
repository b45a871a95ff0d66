//! Properties over random policies: the decision against a model that is too simple to be wrong.

use proptest::{prelude::*, sample::subsequence};
use serde_json::json;

use super::house::{acting_for, agent, at, call, grant, now, set, usable};
use crate::{
    catalog::ToolCall,
    domain::{Effect, Subject},
    policy::PolicySet,
};

const ROLES: [&str; 3] = ["r0", "r1", "r2"];
const TOOLS: [&str; 3] = ["crm/export", "crm/read", "fs/read"];

/// A policy, as the model sees it: whom, what, and for `crm/export` perhaps only one region.
#[derive(Debug, Clone)]
struct Rule {
    role: Option<usize>,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Everything,
    Server(&'static str),
    Tool(usize),
    Region(&'static str),
}

impl Rule {
    fn covers(&self, roles: &[&str], tool: usize, region: &str) -> bool {
        self.role.is_none_or(|role| roles.contains(&ROLES[role]))
            && match self.what {
                What::Everything => true,
                What::Server(server) => TOOLS[tool].starts_with(&format!("{server}/")),
                What::Tool(only) => only == tool,
                What::Region(only) => tool == 0 && only == region,
            }
    }

    fn text(&self, id: &str, effect: &str) -> String {
        let whom = self.role.map_or("principal".to_owned(), |role| format!("principal in Role::\"{}\"", ROLES[role]));
        let (scope, condition) = match self.what {
            What::Everything => ("action in Action::\"call\", resource".to_owned(), String::new()),
            What::Server(server) => {
                (format!("action in Action::\"call\", resource in Server::\"{server}\""), String::new())
            }
            What::Tool(tool) => (format!("action == Action::\"{}\", resource", TOOLS[tool]), String::new()),
            What::Region(region) => (
                "action == Action::\"crm/export\", resource".to_owned(),
                format!(" when {{ context.input.region == \"{region}\" }}"),
            ),
        };
        format!("@id(\"{id}\") {effect} ({whom}, {scope}){condition};\n")
    }
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        Just(What::Everything),
        prop_oneof![Just("crm"), Just("fs")].prop_map(What::Server),
        (0..3usize).prop_map(What::Tool),
        prop_oneof![Just("eu"), Just("us")].prop_map(What::Region),
    ]
}

fn permits() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec((0..3usize, what()).prop_map(|(role, what)| Rule { role: Some(role), what }), 0..5)
}

fn forbids() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec((prop::option::of(0..3usize), what()).prop_map(|(role, what)| Rule { role, what }), 0..3)
}

#[derive(Debug, Clone)]
struct Ask {
    agent: Vec<&'static str>,
    user: Option<Vec<&'static str>>,
    tool: usize,
    region: &'static str,
}

fn ask() -> impl Strategy<Value = Ask> {
    let roles = || subsequence(ROLES.to_vec(), 0..=3);
    (roles(), prop::option::of(roles()), 0..3usize, prop_oneof![Just("eu"), Just("us"), Just("cn")])
        .prop_map(|(agent, user, tool, region)| Ask { agent, user, tool, region })
}

impl Ask {
    fn subject(&self) -> Subject {
        let agent = agent("a", &self.agent);
        match &self.user {
            Some(roles) => acting_for(agent, "u", roles),
            None => agent,
        }
    }

    fn call(&self) -> ToolCall {
        match self.tool {
            0 => call("crm/export", json!({"region": self.region, "max_rows": 1})),
            1 => call("crm/read", json!({})),
            _ => call("fs/read", json!({"path": "p"})),
        }
    }

    fn expected(&self, permits: &[Rule], hard: &[Rule], soft: &[Rule]) -> &'static str {
        let principals: Vec<&[&str]> = std::iter::once(&self.agent).chain(&self.user).map(Vec::as_slice).collect();
        let any = |rules: &[Rule]| principals.iter().any(|p| rules.iter().any(|r| r.covers(p, self.tool, self.region)));
        if any(hard) {
            "hard_guardrail"
        } else if any(soft) {
            "soft_guardrail"
        } else if principals.iter().all(|p| permits.iter().any(|r| r.covers(p, self.tool, self.region))) {
            "granted"
        } else {
            "no_grant"
        }
    }
}

fn build(permits: &[Rule], hard: &[Rule], soft: &[Rule]) -> PolicySet {
    let write = |rules: &[Rule], kind: &str, head: &str| -> String {
        let text = |(index, rule): (usize, &Rule)| match kind {
            "permit" => rule.text(&format!("p{index}"), kind),
            _ => format!("@level(\"{head}\") @owner(\"o\") {}", rule.text(&format!("{head}{index}"), kind)),
        };
        rules.iter().enumerate().map(text).collect()
    };
    set(&[
        ("roles/a.cedar", &write(permits, "permit", "")),
        ("guardrails/hard/a.cedar", &write(hard, "forbid", "hard")),
        ("guardrails/soft/a.cedar", &write(soft, "forbid", "soft")),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// P1: the decision is that of the naive model, and its determining policies are exactly those that cover.
    #[test]
    fn a_decision_is_what_the_naive_model_says(permits in permits(), hard in forbids(), soft in forbids(), asks in prop::collection::vec(ask(), 1..5)) {
        let set = build(&permits, &hard, &soft);
        let fresh = build(&permits, &hard, &soft);
        for ask in asks {
            let decision = set.decide(&ask.subject(), ask.call(), &[], now());
            prop_assert_eq!(decision.verdict().reason.as_str(), ask.expected(&permits, &hard, &soft), "{:?}", ask);
            // Asked of another set of the same files, it answers alike.
            let again = fresh.decide(&ask.subject(), ask.call(), &[], now());
            prop_assert_eq!(again.verdict(), decision.verdict());
        }
    }

    /// P4, I7: one more guardrail never allows more, not even with an exception at hand.
    #[test]
    fn one_more_forbid_never_allows_more(permits in permits(), hard in forbids(), more in (prop::option::of(0..3usize), what()), asks in prop::collection::vec(ask(), 1..5)) {
        let before = build(&permits, &hard, &[]);
        let mut harder = hard.clone();
        harder.push(Rule { role: more.0, what: more.1 });
        let (as_hard, as_soft) = (build(&permits, &harder, &[]), build(&permits, &hard, &harder[hard.len()..]));
        for ask in asks {
            let allows = |set: &PolicySet| {
                let decision = set.decide(&ask.subject(), ask.call(), &[usable(grant())], now());
                decision.verdict().effect == Effect::Allow
            };
            prop_assert!(allows(&before) || !(allows(&as_hard) || allows(&as_soft)), "{:?}", ask);
        }
    }

    /// P3: an exception admits its own agent, tool and arguments, and nothing beside them.
    #[test]
    fn an_exception_never_widens_beyond_its_tuples(
        who in prop::sample::select(vec!["a", "b", "A", "a ", "a/b"]),
        tool in 0..3usize,
        region in prop::sample::select(vec!["eu", "us", "EU", "eu ", ""]),
        rows in -10i64..1_000,
        pii in prop::option::of(any::<bool>()),
    ) {
        let set = set(&[]);
        let mut arguments = json!({"region": region, "max_rows": rows});
        if let Some(pii) = pii {
            arguments["include_pii"] = json!(pii);
        }
        let call = match tool {
            0 => call("crm/export", arguments),
            1 => call("crm/read", json!({})),
            _ => call("fs/read", json!({"path": "p"})),
        };
        let inside = who == "a" && tool == 0 && region == "eu" && (1..=500).contains(&rows) && pii != Some(true);
        let decision = set.decide(&agent(who, &[]), call, &[usable(grant())], now());
        prop_assert_eq!(decision.verdict().effect == Effect::Allow, inside, "{} {} {} {} {:?}", who, tool, region, rows, pii);
    }

    /// P6: what an exception admits in time is its window: once over, never again.
    #[test]
    fn once_an_exception_is_over_it_never_admits_again(offsets in prop::collection::vec(-40_000_000i64..80_000_000, 1..12)) {
        let set = set(&[]);
        let grant = grant();
        let start = at("2026-11-01T00:00:00Z");
        let mut moments: Vec<_> = offsets.iter().map(|ms| start + chrono::TimeDelta::milliseconds(ms * 100)).collect();
        moments.sort();
        let admitted: Vec<bool> = moments.iter().map(|moment| {
            let call = call("crm/export", json!({"region": "eu", "max_rows": 1}));
            set.decide(&agent("a", &[]), call, &[usable(grant.clone())], *moment).verdict().effect == Effect::Allow
        }).collect();
        for (moment, admitted) in moments.iter().zip(&admitted) {
            prop_assert_eq!(*admitted, *moment >= grant.window.not_before && *moment < grant.window.not_after);
        }
        prop_assert!(!admitted.windows(3).any(|w| w[0] && !w[1] && w[2]));
    }

    /// What is seen agrees with what is decided: hidden tools refuse every call, allowed ones accept every call.
    #[test]
    fn what_is_seen_agrees_with_what_is_decided(permits in permits(), hard in forbids(), soft in forbids(), asks in prop::collection::vec(ask(), 1..5)) {
        use crate::policy::Visibility;
        let set = build(&permits, &hard, &soft);
        for ask in asks {
            let call = ask.call();
            let seen = set.visibility(&ask.subject(), &call.tool().clone(), &[], now());
            let allowed = set.decide(&ask.subject(), call, &[], now()).verdict().effect == Effect::Allow;
            match seen {
                Visibility::Allowed => prop_assert!(allowed, "{:?}", ask),
                Visibility::Depends => {}
                Visibility::Hidden | Visibility::Requestable | Visibility::Exception => prop_assert!(!allowed, "{:?}", ask),
            }
        }
    }
}
