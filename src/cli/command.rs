//! What can be typed.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use super::{
    alerts::AlertsCommand,
    ask::Request,
    check::CheckArguments,
    copies::EvidenceCommand,
    freeze::Freeze,
    hold::HoldCommand,
    pilot::PilotCommand,
    report::ReportCommand,
    screen::Format,
    stdio::Arguments,
    study::{CanArguments, GraduateArguments, RemovalCommand, SimulateArguments},
    tail::TailArguments,
    traces::TracesCommand,
};
use crate::domain::{CredentialId, DecisionId, Digest, ExceptionId, Network, ServerName, ToolName};

/// The tool-access gateway for AI agents.
///
/// Exit codes: 0 done; 1 refused or failed; 2 bad input or usage; 3 the gateway cannot be reached.
#[derive(Debug, Parser)]
#[command(name = "postern", version, about, long_about, max_term_width = 100)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// Configuration file [default: ./postern.yaml, which may be absent]
    #[arg(long, global = true, env = "POSTERN_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The administration listener [default: the one of the configuration]
    #[arg(long, global = true, env = "POSTERN_URL", hide_env_values = true)]
    pub(super) url: Option<String>,
    /// File with your key, mode 0600; `-` reads standard input [default: $POSTERN_KEY, else <data>/admin.key]
    #[arg(long, global = true, env = "POSTERN_KEY_FILE", hide_env_values = true, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// How answers are written; csv and html for reports
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(super) output: Format,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway
    #[command(display_order = 1)]
    Serve,
    /// Let an MCP client that spawns its servers use the running gateway: MCP on standard input and output
    #[command(display_order = 2)]
    Stdio(Arguments),
    /// Check configuration and policies, and run policies/tests; changes nothing
    ///
    /// Where cvc5 is found ($CVC5 or PATH), each claim about policies and exceptions is proven or refuted by an example.
    #[command(display_order = 3)]
    Check(CheckArguments),
    /// Print what is in force and every deviation from the safe defaults
    #[command(display_order = 4)]
    Doctor,
    /// The journal, read from the data folder; the gateway need not run
    #[command(subcommand, display_order = 60)]
    Evidence(EvidenceCommand),
    /// Traces of exceptions' uses
    #[command(subcommand, display_order = 54)]
    Traces(TracesCommand),
    /// Reports: the register, sprawl, evidence bundles, standards
    #[command(subcommand, display_order = 61)]
    Report(ReportCommand),
    /// Print the completions of a shell: `postern completions bash > /etc/bash_completion.d/postern`
    #[command(display_order = 90)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages, one for each command
    #[command(display_order = 91)]
    Man {
        /// The folder; it is made if it is not there
        dir: PathBuf,
    },
    #[command(flatten)]
    Remote(Remote),
}

/// What is asked of the running gateway.
#[derive(Debug, Subcommand)]
pub(super) enum Remote {
    /// Keys of agents and people
    #[command(subcommand, display_order = 10)]
    Key(KeyCommand),
    /// Tool servers, tools and their approved definitions
    #[command(subcommand, display_order = 11)]
    Catalog(CatalogCommand),
    /// Authorization exceptions: submit, approve, attest, end
    #[command(subcommand, display_order = 20)]
    Exception(ExceptionCommand),
    /// Pilots: named sets of exceptions
    #[command(subcommand, display_order = 21)]
    Pilot(PilotCommand),
    /// Say why a call was allowed or refused
    #[command(display_order = 32)]
    Explain {
        /// The decision, `dec_…`, as refusals and records name it
        decision: DecisionId,
    },
    /// Events that exceptions end on
    #[command(subcommand, display_order = 22)]
    Event(EventCommand),
    /// Incidents that break-glass exceptions are for
    #[command(subcommand, display_order = 23)]
    Incident(IncidentCommand),
    /// Which recorded decisions would change; puts nothing in force
    #[command(display_order = 33)]
    Simulate(SimulateArguments),
    /// What is decided for one agent and tool now; records no call
    #[command(display_order = 31)]
    Can(CanArguments),
    /// Whether an exception can go: reports, trials, proposals
    #[command(subcommand, display_order = 34)]
    Removal(RemovalCommand),
    /// Draft the least-privilege role that takes over from an exception or a pilot
    #[command(display_order = 35)]
    Graduate(GraduateArguments),
    /// Follow what happens, as it happens
    #[command(display_order = 50)]
    Tail(TailArguments),
    /// Webhooks that are told, and what they refused
    #[command(subcommand, display_order = 52)]
    Alerts(AlertsCommand),
    /// Where records are exported to, and how far each destination has got
    #[command(display_order = 53)]
    Exports,
    /// Compensating controls: their health, and what was lost when
    #[command(display_order = 51)]
    Controls {
        #[command(subcommand)]
        what: Option<ControlsCommand>,
    },
    /// Refuse calls from now on and end those in flight: all, or those of one scope
    #[command(display_order = 40)]
    Freeze(Freeze),
    /// End a freeze
    #[command(display_order = 42)]
    Unfreeze(Freeze),
    /// Calls that wait for a person's yes
    #[command(subcommand, display_order = 24)]
    Hold(HoldCommand),
    /// What is frozen, by whom and why
    #[command(display_order = 41)]
    Freezes,
    /// Read the policies again; faulty ones change nothing
    #[command(display_order = 5)]
    Reload,
    /// Print a one-time link to the console
    #[command(display_order = 6)]
    Console,
    /// Say whose key this is, a person's or an agent's, and what it allows
    #[command(display_order = 30)]
    Whoami,
}

#[derive(Debug, Args)]
pub(super) struct Step {
    /// The exception, `EX-…`
    pub(super) id: ExceptionId,
    /// Why; it becomes part of the record
    #[arg(long)]
    pub(super) reason: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; it is shown once
    #[command(group = clap::ArgGroup::new("principal").required(true))]
    Create {
        /// For an agent of agents.yaml
        #[arg(long, group = "principal", value_name = "ID")]
        agent: Option<String>,
        /// For a person of people.yaml
        #[arg(long, group = "principal", value_name = "ID")]
        person: Option<String>,
        /// Days until it ends, at most 90
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=90))]
        days: u32,
        /// What people call it
        #[arg(long, default_value = "")]
        note: String,
        /// For an agent: only taken from these addresses, such as 10.1.0.0/16; may be given several times
        #[arg(long = "address", value_name = "CIDR", conflicts_with = "person")]
        addresses: Vec<Network>,
    },
    /// List keys, without the keys
    List,
    /// End a key at once
    Revoke {
        /// The key's id, `crd_…`
        id: CredentialId,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum CatalogCommand {
    /// Servers and tools, with what waits for approval
    List,
    /// Approve definitions as they are now
    Approve {
        /// The server
        server: ServerName,
        /// Its tools; none means all that wait
        tools: Vec<ToolName>,
        /// With one tool: approve only if its definition has this digest
        #[arg(long)]
        digest: Option<Digest>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// Report an event: the temporary elevations that end on it are over; an agent's key reports for its own
    Report {
        /// The event, as `ends_on` of the records names it
        event: String,
        /// Why; it becomes part of the record
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum IncidentCommand {
    /// Report that an incident is closed: its break-glass exceptions are over
    Close {
        /// The incident, as the records name it
        incident: String,
        /// Why; it becomes part of the record
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ExceptionCommand {
    /// Submit a record (YAML or JSON); you become its requester
    Submit {
        /// The file; `-` reads standard input
        file: PathBuf,
    },
    /// Make a record from a refused call: the smallest that would have admitted it
    Request(Box<Request>),
    /// List the exceptions that you may see
    List,
    /// One exception with its record
    Show {
        /// The exception, `EX-…`
        id: ExceptionId,
    },
    /// Approve the record exactly as it stands
    Approve {
        /// The exception, `EX-…`
        id: ExceptionId,
        /// The digest that you have read [default: that of the current revision, which is printed]
        #[arg(long)]
        digest: Option<Digest>,
    },
    /// Refuse it for good
    Reject(Step),
    /// Take your own request back
    Withdraw(Step),
    /// What changed around it since its owner's last word
    Changes {
        /// The exception, `EX-…`
        id: ExceptionId,
    },
    /// Say, as its owner, that it is still needed; what changed since the last time is printed first
    Attest {
        /// The exception, `EX-…`
        id: ExceptionId,
        /// What you add
        #[arg(long)]
        reason: Option<String>,
    },
    /// Suspend it: it admits nothing until it is resumed
    Suspend(Step),
    /// Resume it after a suspension
    Resume(Step),
    /// End it for good
    Revoke(Step),
    /// Report the event that a temporary elevation ends on; --reason names it as the record does
    Finish(Step),
    /// Report, as its owner, that a milestone is met
    Milestone {
        /// The exception, `EX-…`
        id: ExceptionId,
        /// The milestone, as the record names it
        milestone: String,
        /// What shows it; it becomes part of the record
        #[arg(long)]
        reason: String,
    },
    /// End it because a role took over; refused as long as anything that it admitted would be lost
    Graduate(Step),
    /// Say what was found after a break-glass exception; until then its owner gets no other
    Review(Step),
}

impl ExceptionCommand {
    /// The file that it sends.
    pub(super) fn file(&self) -> Option<&Path> {
        if let Self::Submit { file } = self { Some(file) } else { None }
    }
}

/// What to see of the controls.
#[derive(Debug, clap::Subcommand)]
pub enum ControlsCommand {
    /// When controls were lost and came back, and which exceptions that suspended; the newest first
    History {
        /// Of this obligation (`trace.full`) or this exception alone
        id: Option<String>,
    },
}
