//! Requests that read from a tool server and call no tool: prompts, resources, completion, tasks.

use serde_json::value::RawValue;

use super::{Uri, UriFault};
use crate::domain::{Digest, Method, ServerName, ToolRef};

/// Characters of a prompt's name or a task's id.
const NAME: usize = 256;

/// What an inquiry is about, for the policy that judges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A prompt, by its server's own name.
    Prompt(Box<str>),
    /// A resource.
    Resource(Uri),
    /// A task of this tool; whoever may see the tool and started the task may ask for it.
    Task(ToolRef),
}

/// A request that was checked and reads from one server. It owns what will be sent, so what is judged is what is
/// sent; it cannot be cloned.
#[derive(Debug)]
#[must_use]
pub struct Inquiry {
    server: ServerName,
    method: Method,
    target: Target,
    name: Box<str>,
    members: Vec<(Box<str>, Box<RawValue>)>,
    digest: Digest,
}

/// The request cannot be made. The text is for the agent that sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InquiryFault {
    /// A name that is no name.
    #[error("the name is empty, too long, or holds control characters")]
    Name,
    /// A URI that is not taken.
    #[error("the URI is not taken: {0}")]
    Uri(#[from] UriFault),
}

impl Inquiry {
    /// A prompt. `members` are the params beside the name.
    ///
    /// # Errors
    /// The name is none.
    pub fn prompt(
        server: ServerName,
        name: &str,
        members: Vec<(Box<str>, Box<RawValue>)>,
    ) -> Result<Self, InquiryFault> {
        Ok(Self::new(server, Method::GetPrompt, (Target::Prompt(named(name)?), name.into()), members))
    }

    /// A resource, to be read or watched. `members` are the params beside the URI.
    ///
    /// # Errors
    /// The URI is not taken.
    pub fn resource(
        server: ServerName,
        method: Method,
        uri: &str,
        members: Vec<(Box<str>, Box<RawValue>)>,
    ) -> Result<Self, InquiryFault> {
        Ok(Self::new(server, method, (Target::Resource(Uri::parse(uri)?), uri.into()), members))
    }

    /// A completion for an argument of a prompt or of a resource template. `members` are the whole params, with the
    /// reference as the server knows it.
    pub fn completion(server: ServerName, target: Target, members: Vec<(Box<str>, Box<RawValue>)>) -> Self {
        Self::new(server, Method::Complete, (target, "".into()), members)
    }

    /// A task that this tool made. `members` are the params beside the id.
    ///
    /// # Errors
    /// The id is none.
    pub fn task(
        method: Method,
        tool: ToolRef,
        id: &str,
        members: Vec<(Box<str>, Box<RawValue>)>,
    ) -> Result<Self, InquiryFault> {
        let name = named(id)?;
        Ok(Self::new(tool.server.clone(), method, (Target::Task(tool), name), members))
    }

    fn new(
        server: ServerName,
        method: Method,
        (target, name): (Target, Box<str>),
        members: Vec<(Box<str>, Box<RawValue>)>,
    ) -> Self {
        let mut parts = vec![method.as_str().as_bytes(), b"\0", name.as_bytes()];
        for (key, raw) in &members {
            parts.extend([&b"\0"[..], key.as_bytes(), b"\0", raw.get().as_bytes()]);
        }
        let digest = Digest::of_parts(&parts);
        Self { server, method, target, name, members, digest }
    }

    /// The server that is asked.
    #[must_use]
    pub const fn server(&self) -> &ServerName {
        &self.server
    }

    /// What is asked.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// What it is about.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The value of [`Method::target`]: the prompt, URI or task as the server knows it; empty for a completion.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The other members of `params`, in order.
    #[must_use]
    pub fn members(&self) -> &[(Box<str>, Box<RawValue>)] {
        &self.members
    }

    /// SHA-256 over method, name and members.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

fn named(name: &str) -> Result<Box<str>, InquiryFault> {
    let good = !name.is_empty() && name.chars().count() <= NAME && !name.contains(char::is_control);
    if good { Ok(name.into()) } else { Err(InquiryFault::Name) }
}
