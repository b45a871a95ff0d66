//! Decisions about what is no call of a tool. Exceptions cover tools alone, so roles and guardrails have the last word.

use cedar_policy::{Context, RestrictedExpression};

use super::{
    bench::Ruling,
    decision::{Clearance, Visibility},
    known::Moment,
    model::Verb,
    rule::Rule,
    set::PolicySet,
    source::Level,
};
use crate::{
    catalog::{Inquiry, Target, Uri},
    domain::{Basis, Effect, Reason, ServerName, Subject, Timestamp, Verdict},
};

/// Something that is no call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed<'a> {
    /// `get`: a prompt of this server, by its own name.
    Get(&'a ServerName, &'a str),
    /// `read`: a resource of this server.
    Read(&'a ServerName, &'a Uri),
    /// `elicit`: this server asks for something that a person knows.
    Elicit(&'a ServerName),
    /// `elicit_url`: this server sends a person to this page.
    ElicitUrl(&'a ServerName, &'a Uri),
    /// `sample`: this server asks for what a model says.
    Sample(&'a ServerName),
    /// `roots`: this server asks for the folders that it may work in.
    Roots(&'a ServerName),
}

impl Deed<'_> {
    const fn verb(&self) -> Verb {
        match self {
            Self::Get(..) => Verb::Get,
            Self::Read(..) => Verb::Read,
            Self::Elicit(_) => Verb::Elicit,
            Self::ElicitUrl(..) => Verb::ElicitUrl,
            Self::Sample(_) => Verb::Sample,
            Self::Roots(_) => Verb::Roots,
        }
    }

    const fn server(&self) -> &ServerName {
        match self {
            Self::Get(server, _) | Self::Read(server, _) | Self::ElicitUrl(server, _) => server,
            Self::Elicit(server) | Self::Sample(server) | Self::Roots(server) => server,
        }
    }
}

impl PolicySet {
    /// Judges an inquiry; the clearance owns it. A task may be asked for by whom its tool is not closed to.
    ///
    /// # Errors
    /// The verdict that refuses it.
    pub fn judge(&self, subject: &Subject, inquiry: Inquiry, now: Timestamp) -> Result<Clearance, Box<Verdict>> {
        let server = inquiry.server();
        let verdict = match inquiry.target() {
            Target::Prompt(name) => self.allows(subject, &Deed::Get(server, name), now),
            Target::Resource(uri) => self.allows(subject, &Deed::Read(server, uri), now),
            Target::Task(tool) => {
                let open = self.tool(tool).is_some_and(|known| {
                    let visibility = self.visibility(subject, &known.tool, &[], now);
                    matches!(visibility, Visibility::Allowed | Visibility::Depends)
                });
                let verdict = self.because(Basis::Rbac, Reason::Granted, Vec::new());
                if open {
                    Verdict { effect: Effect::Allow, ..verdict }
                } else {
                    self.because(Basis::DefaultDeny, Reason::NoGrant, Vec::new())
                }
            }
        };
        match verdict.effect {
            Effect::Allow => Ok(Clearance::new(verdict, inquiry)),
            Effect::Deny => Err(Box::new(verdict)),
        }
    }

    /// Judges a deed.
    #[must_use]
    pub fn allows(&self, subject: &Subject, deed: &Deed<'_>, now: Timestamp) -> Verdict {
        let broken = || self.because(Basis::DefaultDeny, Reason::PolicyError, Vec::new());
        let court = self.court(deed.verb(), subject);
        let Some(court) = court.as_ref() else { return broken() };
        let moment = Moment::of(&self.names, subject, now);
        let Ok(mut pairs) = moment.pairs(&court.mention) else { return broken() };
        let input = match deed {
            Deed::Read(_, uri) => vec![("uri", uri.as_str()), ("scheme", uri.scheme()), ("path", uri.path())],
            Deed::ElicitUrl(_, url) => vec![("url", url.as_str()), ("host", url.host())],
            Deed::Get(..) | Deed::Elicit(_) | Deed::Sample(_) | Deed::Roots(_) => Vec::new(),
        };
        let input =
            input.into_iter().map(|(key, text)| (key.to_owned(), RestrictedExpression::new_string(text.to_owned())));
        let Ok(input) = RestrictedExpression::new_record(input) else { return broken() };
        pairs.push(("input".to_owned(), input));
        let Ok(context) = Context::from_pairs(pairs) else { return broken() };
        let server = self.names.server(deed.server());
        let resource = match deed {
            Deed::Get(server, name) => self.names.prompt(server, name),
            Deed::Read(server, uri) => self.names.resource(server, uri.as_str()),
            Deed::Elicit(_) | Deed::ElicitUrl(..) | Deed::Sample(_) | Deed::Roots(_) => server.clone(),
        };
        match court.rule((&resource, &server), &context) {
            Ruling::Failed(ids) => self.because(Basis::DefaultDeny, Reason::PolicyError, ids),
            Ruling::Hard(ids) => self.because(Basis::Guardrail, Reason::HardGuardrail, ids),
            Ruling::Soft(ids) => self.because(Basis::Guardrail, Reason::SoftGuardrail, ids),
            Ruling::Silent => self.because(Basis::DefaultDeny, Reason::NoGrant, Vec::new()),
            Ruling::Permitted(ids) => {
                Verdict { effect: Effect::Allow, ..self.because(Basis::Rbac, Reason::Granted, ids) }
            }
        }
    }

    /// Whether some role of the subject may reach something of this server.
    #[must_use]
    pub fn may_reach(&self, subject: &Subject, server: &ServerName) -> bool {
        self.may(subject, server, |_| true)
    }

    /// Whether some role of the subject may read some resource of this server.
    #[must_use]
    pub fn may_read(&self, subject: &Subject, server: &ServerName) -> bool {
        let read = self.names.verb(Verb::Read);
        self.may(subject, server, |rule| rule.acts(&read))
    }

    /// Whether some role of the subject lets this server send a person to some page.
    #[must_use]
    pub fn may_send(&self, subject: &Subject, server: &ServerName) -> bool {
        let page = self.names.verb(Verb::ElicitUrl);
        self.may(subject, server, |rule| rule.acts(&page))
    }

    fn may(&self, subject: &Subject, server: &ServerName, of_interest: impl Fn(&Rule) -> bool) -> bool {
        let agent = self.names.agent(subject.agent.as_str());
        let roles = subject.roles.iter().map(|role| self.names.role(role)).collect();
        let server = self.names.server(server);
        let mut rules = self.rules.iter().filter(|rule| rule.level == Level::Role && rule.concerns(&agent, &roles));
        rules.any(|rule| of_interest(rule) && rule.reaches(&server, &self.names))
    }
}
