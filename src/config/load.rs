//! `postern.yaml` to [`Settings`]: schema first, then what a schema cannot say, all faults in one list.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{check, form::Form, listen, say, settings::Settings};
use crate::domain::{Digest, Document, Findings};

/// The JSON Schema of `postern.yaml`, for editors too.
pub const SCHEMA: &str = include_str!("postern.schema.json");

/// Reads a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What an operator command needs: where the gateway is, and where its keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The administration listener.
    pub admin: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Folder of the store and keys.
    pub data: PathBuf,
}

/// Reads, checks and completes the settings. A file that is missing is an error only if it is `required`;
/// else the defaults hold, relative to the folder where it would be.
///
/// # Errors
/// Everything that is wrong with the file, and with the files and variables that it names.
pub fn load(file: &Path, required: bool, environment: Environment<'_>) -> Result<Settings, Findings> {
    let (document, digest) = document(file, required)?;
    let base = base(file)?;
    let (form, mut findings) = form(&document)?;
    let Some(form) = form else { return Err(findings) };
    let mut settings =
        check::check(&form, &check::Ground { document: &document, base: &base, environment }, &mut findings);
    settings.file = digest.is_some().then(|| file.to_path_buf());
    settings.digest = digest;
    findings.or(settings)
}

/// Reads only what an operator command needs; secrets of tool servers stay unread.
///
/// # Errors
/// The file cannot be read, or breaks the schema.
pub fn operator(file: &Path, required: bool) -> Result<Operator, Findings> {
    let (document, _) = document(file, required)?;
    let base = base(file)?;
    let (form, mut findings) = form(&document)?;
    let Some(form) = form else { return Err(findings) };
    let (_, admin) = listen::addresses(&form.listen, &document, &mut findings);
    let tls = form.listen.tls.is_some();
    let data = check::joined(&base, form.data.as_deref().unwrap_or("data"));
    findings.or(Operator { admin, tls, data })
}

/// The file, and the digest of its bytes if it is there.
fn document(file: &Path, required: bool) -> Result<(Document, Option<Digest>), Findings> {
    let name = file.display().to_string();
    match fs::read_to_string(file) {
        Ok(text) => Ok((Document::parse(&name, &text)?, Some(Digest::of(text.as_bytes())))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
            Ok((Document::of_value(Value::Object(serde_json::Map::new())), None))
        }
        Err(error) => Err(Findings::one(&name, 0, "", format!("cannot read the file: {error}"))),
    }
}

/// The folder that relative paths of the file start from, absolute.
fn base(file: &Path) -> Result<PathBuf, Findings> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::path::absolute(folder)
        .map_err(|error| Findings::one(&file.display().to_string(), 0, "", format!("cannot find its folder: {error}")))
}

/// The form, if its shape is right, and what the schema found.
fn form(document: &Document) -> Result<(Option<Form>, Findings), Findings> {
    let broken = |error: String| Findings::one("postern.schema.json", 0, "", error);
    let schema: Value = serde_json::from_str(SCHEMA).map_err(|error| broken(error.to_string()))?;
    let validator = jsonschema::validator_for(&schema).map_err(|error| broken(error.to_string()))?;
    let findings = say::faults(document, &validator, &schema);
    let mut sound = document.value.clone();
    for finding in &findings.0 {
        prune(&mut sound, &finding.path);
    }
    match serde_json::from_value(sound) {
        Ok(form) => Ok((Some(form), findings)),
        Err(_) if !findings.0.is_empty() => Ok((None, findings)),
        Err(error) => Err(Findings::one(&document.file, 0, "", error.to_string())),
    }
}

/// Takes out what the schema found faulty, so that the rest is still checked in the same run.
fn prune(value: &mut Value, pointer: &str) {
    let Some((holder, key)) = pointer.rsplit_once('/') else { return };
    let key = key.replace("~1", "/").replace("~0", "~");
    if let Some(map) = value.pointer_mut(holder).and_then(Value::as_object_mut) {
        map.remove(&key);
    }
}
