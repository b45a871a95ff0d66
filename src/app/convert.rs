//! Checked settings → what each room is started with.

use std::{collections::BTreeMap, num::NonZeroU32};

use crate::{
    catalog::Features,
    config::{self, ConfiguredValue, PolicyFiles, Settings},
    domain::{PersonId, Secret, ServerName},
    exception::SprawlBudget,
    gateway::{self, Rates},
    identity::{self, IssuerSettings, KeySource, SigningAlgorithm},
    policy::{SourceFile, Sources},
    upstream::{HttpSettings, Offered, OpenApiSettings, ServerSettings, StdioSettings, Transport},
};

/// The holder of the first key.
pub(super) const ADMINISTRATOR: &str = "administrator";

pub(super) fn identity(settings: &Settings) -> identity::Settings {
    let issuers = settings.identity.issuers.iter().map(|issuer| IssuerSettings {
        issuer: issuer.issuer.clone(),
        audience: issuer.audience.clone(),
        keys: match &issuer.jwks {
            config::Jwks::Url(url) => KeySource::Url(url.clone()),
            config::Jwks::File(path) => KeySource::File(path.clone()),
        },
        people: issuer.people,
        algorithms: issuer.algorithms.iter().map(|algorithm| algorithm_of(*algorithm)).collect(),
    });
    identity::Settings { issuers: issuers.collect(), administrator: Some(PersonId::from(ADMINISTRATOR)) }
}

const fn algorithm_of(algorithm: config::Algorithm) -> SigningAlgorithm {
    match algorithm {
        config::Algorithm::Es256 => SigningAlgorithm::ES256,
        config::Algorithm::Rs256 => SigningAlgorithm::RS256,
        config::Algorithm::EdDsa => SigningAlgorithm::EdDSA,
    }
}

pub(super) fn servers(settings: &Settings) -> anyhow::Result<Vec<ServerSettings>> {
    settings.servers.iter().map(|(name, server)| one(name, server)).collect()
}

fn one(name: &ServerName, server: &config::ServerSettings) -> anyhow::Result<ServerSettings> {
    let transport = match &server.transport {
        config::Transport::Stdio { command, args, env, pass_env, cwd } => {
            let passed = pass_env
                .iter()
                .filter_map(|variable| Some((variable.clone(), Secret::new(config::process_environment(variable)?))));
            let mut all: BTreeMap<String, Secret<String>> = passed.collect();
            all.extend(env.iter().map(|(variable, value)| (variable.clone(), Secret::new(value.expose().clone()))));
            Transport::Stdio(StdioSettings { command: command.clone(), args: args.clone(), env: all, cwd: cwd.clone() })
        }
        config::Transport::Http { url, headers } => Transport::Http(HttpSettings {
            url: url.parse()?,
            headers: headers
                .iter()
                .map(|(header, value)| (header.clone(), Secret::new(value.expose().clone())))
                .collect(),
            allow_private: server.allow_private,
            authorities: None,
        }),
        config::Transport::OpenApi(api) => Transport::OpenApi(Box::new(openapi(api, server.allow_private)?)),
    };
    let mut made = ServerSettings::new(name.clone(), transport);
    made.timeout = server.timeout;
    Ok(made)
}

fn openapi(api: &config::OpenApi, allow_private: bool) -> anyhow::Result<OpenApiSettings> {
    let all = |values: &BTreeMap<String, ConfiguredValue>| {
        values.iter().map(|(name, value)| (name.clone(), Secret::new(value.expose().clone()))).collect()
    };
    let secrets = api.headers.values().chain(api.query.values()).filter_map(|value| match value {
        ConfiguredValue::Secret(secret) => Some(Secret::new(secret.expose().clone())),
        ConfiguredValue::Plain(_) => None,
    });
    Ok(OpenApiSettings {
        document: api.document.clone(),
        url: api.url.as_deref().map(str::parse).transpose()?,
        choice: api.choice.clone(),
        headers: all(&api.headers),
        query: all(&api.query),
        secrets: secrets.collect(),
        allow_private,
        response: api.response,
        encoded_slashes: api.encoded_slashes,
    })
}

pub(super) fn rates(settings: &Settings) -> Rates {
    let whole = |value: u32| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
    Rates::new(whole(settings.limits.rate_per_second), whole(settings.limits.burst))
}

pub(super) const fn denials(settings: &Settings) -> gateway::Denials {
    match settings.denials {
        config::Denials::ToolResult => gateway::Denials::ToolResult,
        config::Denials::ProtocolError => gateway::Denials::ProtocolError,
    }
}

pub(super) const fn budget(settings: &Settings) -> SprawlBudget {
    SprawlBudget { per_owner: settings.exceptions.per_owner, per_channel: settings.exceptions.per_channel }
}

/// The policy files as the decision point reads them.
pub(super) fn sources(files: &PolicyFiles) -> Sources {
    let file = |file: &config::SourceText| SourceFile { path: file.path.clone(), text: file.text.clone() };
    Sources { files: files.policies.iter().map(file).collect() }
}

/// What a server offers beside tools.
pub(super) fn features(offered: &Offered) -> Features {
    Features {
        prompts: offered.has_prompts,
        resources: offered.has_resources,
        subscribe: offered.subscribe,
        completions: offered.completions,
        logging: offered.logging,
        extensions: offered.extensions.iter().map(|(name, raw)| (name.clone(), raw.get().into())).collect(),
    }
}
