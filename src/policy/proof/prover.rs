//! The solver: a program of its own, found when it is asked for, with a time limit on each question and on the whole.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use cedar_policy_symcc::{CedarSymCompiler, Env, WellFormedAsserts, err::Error, solver::LocalSolver};
use tokio::{
    io::AsyncReadExt as _,
    process::Command,
    time::{Instant, timeout, timeout_at},
};

use super::apart::apart;
use crate::domain::limits;

/// Bytes of what the program says of its version.
const VERSION: u64 = 4 << 10;
/// What the program sees of the environment.
const PASSED: [&str; 3] = ["PATH", "HOME", "LD_LIBRARY_PATH"];

/// The solver, or why there is none.
#[derive(Debug, Clone)]
pub struct Prover {
    solver: Result<Solver, String>,
    question: Duration,
    whole: Duration,
}

#[derive(Debug, Clone)]
struct Solver {
    program: PathBuf,
    version: String,
}

impl Prover {
    /// The program that `$CVC5` names, else `cvc5` on `$PATH`.
    pub async fn find() -> Self {
        match program(env::var_os("CVC5"), env::var_os("PATH")) {
            Ok(program) => Self::at(program).await,
            Err(why) => Self::absent(why),
        }
    }

    /// [`Self::find`], for those who can wait.
    #[must_use]
    pub fn find_blocking() -> Self {
        apart(Self::find).unwrap_or_else(Self::absent)
    }

    /// This program.
    pub async fn at(program: PathBuf) -> Self {
        let version = version(&program).await;
        let solver = version.map(|version| Solver { program, version });
        Self { solver, question: limits::PROOF_QUESTION, whole: limits::PROOFS }
    }

    /// No solver; every answer is that nothing is proven.
    #[must_use]
    pub fn absent(why: impl Into<String>) -> Self {
        Self { solver: Err(why.into()), question: limits::PROOF_QUESTION, whole: limits::PROOFS }
    }

    /// With other limits: for one question, and for all questions of one call.
    #[must_use]
    pub fn within(self, question: Duration, whole: Duration) -> Self {
        Self { question, whole, ..self }
    }

    /// The program and what it says of its version.
    ///
    /// # Errors
    /// Why there is no solver.
    pub fn solver(&self) -> Result<(&Path, &str), &str> {
        self.solver.as_ref().map(|solver| (solver.program.as_path(), solver.version.as_str())).map_err(String::as_str)
    }

    /// A round of questions; its time begins now.
    pub(super) fn session(&self) -> Session<'_> {
        Session { prover: self, compiler: None, ends: Instant::now().checked_add(self.whole) }
    }
}

fn program(named: Option<OsString>, path: Option<OsString>) -> Result<PathBuf, String> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let folders = path.iter().flat_map(env::split_paths).map(|folder| folder.join("cvc5"));
    folders.into_iter().find(|file| file.is_file()).ok_or_else(|| "no `cvc5` on PATH, and $CVC5 is not set".to_owned())
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().kill_on_drop(true);
    command.envs(PASSED.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command
}

async fn version(program: &Path) -> Result<String, String> {
    let failed = |why: String| format!("`{} --version`: {why}", program.display());
    let mut command = command(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let mut text = Vec::new();
    let out = child.stdout.take().ok_or_else(|| failed("no output".to_owned()))?;
    let read = timeout(limits::PROOF_QUESTION, out.take(VERSION).read_to_end(&mut text)).await;
    read.map_err(|_| failed("no answer in time".to_owned()))?.map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default();
    line.contains("cvc5").then(|| line.to_owned()).ok_or_else(|| failed("it does not say that it is cvc5".to_owned()))
}

/// A round of questions with one end.
pub(super) struct Session<'a> {
    prover: &'a Prover,
    compiler: Option<CedarSymCompiler<LocalSolver>>,
    ends: Option<Instant>,
}

impl Session<'_> {
    /// Whether questions can still be asked; the error says why not.
    pub(super) fn ready(&self) -> Result<(), String> {
        if let Err(why) = &self.prover.solver {
            return Err(format!("no solver was found ({why})"));
        }
        let over = self.ends.is_some_and(|ends| Instant::now() >= ends);
        if over { Err(format!("{:?} for all questions are over", self.prover.whole)) } else { Ok(()) }
    }

    /// A call for which all of this holds; `None` if there is none; an error if nobody knows.
    pub(super) async fn find(&mut self, asserts: &WellFormedAsserts<'_>) -> Result<Option<Env>, String> {
        self.ready()?;
        let mut compiler = match self.compiler.take() {
            Some(compiler) => compiler,
            None => self.start()?,
        };
        let ends = Instant::now().checked_add(self.prover.question);
        let ends = [ends, self.ends].into_iter().flatten().min().unwrap_or_else(Instant::now);
        // A program that did not answer is ended when it is dropped.
        let answer = timeout_at(ends, compiler.check_sat(asserts)).await;
        match answer {
            Ok(Ok(found)) => {
                self.compiler = Some(compiler);
                Ok(found)
            }
            Ok(Err(error)) => Err(why(&error)),
            Err(_) => Err(format!("the solver did not answer within {:?}", self.prover.question)),
        }
    }

    fn start(&self) -> Result<CedarSymCompiler<LocalSolver>, String> {
        let solver = self.prover.solver.as_ref().map_err(Clone::clone)?;
        let mut command = command(&solver.program);
        command.args(["--lang", "smt"]).arg(format!("--tlimit-per={}", self.prover.question.as_millis()));
        let solver = LocalSolver::from_command(&mut command).map_err(|error| why(&error.into()))?;
        CedarSymCompiler::new(solver).map_err(|error| why(&error))
    }
}

/// Why there is no answer, in one line.
pub(super) fn why(error: &Error) -> String {
    let mut text = error.to_string();
    if let Error::PolicyNotWellTyped { errs } = error {
        for error in errs {
            text.push_str(&format!("; {error}"));
        }
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    text.replace('\n', " ").chars().take(512).collect()
}
