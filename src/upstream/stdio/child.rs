//! The process of a child: nothing inherited, a group of its own, and no orphan when it ends (T132, T134).

use std::{io, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::upstream::StdioSettings;

const GRACE: Duration = Duration::from_secs(2);

/// A running child. When it is dropped, its whole process group is killed.
pub(super) struct Child {
    process: tokio::process::Child,
    group: Option<Pid>,
}

/// The ends of a child's pipes that are ours.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Child {
    /// Starts the program of the settings, with their environment and no other.
    pub(super) fn start(settings: &StdioSettings) -> io::Result<(Self, Pipes)> {
        let mut command = Command::new(&settings.command);
        command
            .args(&settings.args)
            .env_clear()
            .envs(settings.env.iter().map(|(key, value)| (key, value.expose())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(cwd) = &settings.cwd {
            command.current_dir(cwd);
        }
        let mut process = command.spawn()?;
        let group = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let taken = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let child = Self { process, group };
        let (Some(stdin), Some(stdout), Some(stderr)) = taken else {
            return Err(io::Error::other("the pipes of the child are missing"));
        };
        Ok((child, Pipes { stdin, stdout, stderr }))
    }

    /// Waits until the child itself has ended, then kills what it left behind.
    pub(super) async fn exited(&mut self) {
        if let Err(error) = self.process.wait().await {
            tracing::warn!(%error, "waiting for a child failed");
        }
        self.kill_group();
    }

    /// Ends a child whose standard input was closed: it may leave by itself, then is asked to, then is killed.
    pub(super) async fn end(mut self) {
        if timeout(GRACE, self.process.wait()).await.is_err() {
            self.signal(Signal::TERM);
            let _gone = timeout(GRACE, self.process.wait()).await;
        }
        self.kill();
        let _reaped = timeout(GRACE, self.process.wait()).await;
    }

    /// Kills the child and all of its group at once.
    pub(super) fn kill(&mut self) {
        self.kill_group();
    }

    fn kill_group(&mut self) {
        self.signal(Signal::KILL);
        self.group = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // The group may have ended by itself; then there is nobody to tell.
            let _none_left = kill_process_group(group, signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_group();
    }
}
