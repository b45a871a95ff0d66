//! A gateway with the recording server `all` behind it, whose agent may do some of what it offers, and a second agent.

use serde_json::json;

use crate::{
    gateway::{Gateway, Options},
    peer::Peer,
    wire::Agent,
};

const AGENTS: &str = "agents:
  worker: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer, user]}
  other: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [user]}
  poor: {owner: olivia@example.org, operator: omar@example.org, channel: agent-board, roles: [echoer]}
";
/// What the role `user` may.
pub const USER: &str = r#"@id("tools")
permit (principal in Role::"user", action in [Action::"all/echo", Action::"all/quiz", Action::"all/job"], resource);
@id("prompts")
permit (principal in Role::"user", action == Action::"get", resource in Server::"all")
when { resource != Prompt::"all/shut" && resource != Prompt::"all/gone" };
@id("files")
permit (principal in Role::"user", action == Action::"read", resource in Server::"all")
when { context.input.path like "/docs/*" || context.input.scheme == "test" };
@id("forms")
permit (principal in Role::"user", action == Action::"elicit", resource == Server::"all");
@id("pages")
permit (principal in Role::"user", action == Action::"elicit_url", resource == Server::"all")
when { context.input.host == "login.example.org" };
"#;
const GUARD: &str = r#"@id("no-secrets") @level("hard") @owner("sonia@example.org")
forbid (principal, action == Action::"read", resource)
when { context.input.path like "*secret*" };
"#;

pub struct House {
    pub gateway: Gateway,
    pub peer: Peer,
    pub agent: Agent,
}

impl House {
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> anyhow::Result<Self> {
        let peer = Peer::start().await?;
        let servers = vec![("all".to_owned(), peer.address)];
        let policies =
            vec![("agents.yaml", AGENTS), ("roles/user.cedar", USER), ("guardrails/hard/secrets.cedar", GUARD)];
        let gateway = Gateway::with(Options { servers, policies, ..options }).await?;
        let agent = gateway.agent.clone();
        let house = Self { gateway, peer, agent };
        house.ready().await?;
        Ok(house)
    }

    /// Waits until the agent sees what `all` offers.
    pub async fn ready(&self) -> anyhow::Result<()> {
        crate::gateway::until("the server `all` is read", std::time::Duration::from_secs(20), async || {
            let prompts = self.agent.ask("prompts/list", json!({})).await;
            prompts.is_ok_and(|answer| answer.told().contains("all__open"))
        })
        .await
        .map(drop)
    }
}
