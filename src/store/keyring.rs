//! The gateway's own keys: files of the data folder, made at the first start.

use std::sync::Arc;

use super::{
    folder::{Folder, FolderError},
    log_key::{Changes, LogKey, PUBLIC},
    vault,
};
use crate::{
    domain::{Digest, Secret},
    evidence::{KeyError, SealError, Sealer, VerifyingKey},
};

const PEPPER: &str = "pepper";
const SEAL: &str = "seal.key";

/// The keys cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The folder.
    #[error("the keys of the gateway cannot be read")]
    Folder(#[from] FolderError),
    /// The store is there and one of its keys is not.
    #[error("`{0}` is missing beside a store that was written with it; restore it from the backup of the folder")]
    Missing(&'static str),
    /// The signing key is not there.
    #[error(
        "`signing.key` is missing beside a store that was written with it; restore it from the backup of the folder, or, \
         if it is lost for good, make a new one with `postern evidence new-key --lost`"
    )]
    Lost,
    /// The signing key is another one than the journal says.
    #[error(
        "`signing.key` is not the key that the journal names as the one in force: one of the two was put back or changed; \
         run `postern evidence verify` with a key that you trust, and restore the folder from its backup"
    )]
    Other,
    /// The signing key is there.
    #[error("`signing.key` is there; change it with `postern evidence rotate` while the gateway runs")]
    Kept,
    /// A file does not hold what its name says.
    #[error("`{0}` does not hold the key that its name says; restore it from the backup of the folder")]
    Content(&'static str),
    /// The signing key.
    #[error("`signing.key` cannot be used")]
    Signing(#[from] KeyError),
    /// The sealing key.
    #[error("`seal.key` cannot be used")]
    Seal(#[from] SealError),
    /// No randomness.
    #[error("the system gives no randomness")]
    Random,
}

/// The gateway's own keys.
#[derive(Debug)]
pub struct Keyring {
    /// Under which access keys are looked up (HMAC-SHA256).
    pub pepper: Secret<Vec<u8>>,
    /// Seals arguments, each day under a key of its own; `seal.key`, the first key, stays for good.
    pub sealer: Arc<Sealer>,
    /// Seals what callers carry for us: cursors, states, ids of tasks. Made from the key that seals arguments.
    pub handles: Secret<Vec<u8>>,
    /// Signs checkpoints and approvals.
    pub signing: Arc<LogKey>,
}

impl Keyring {
    /// Reads the keys; makes them if `fresh`, that is, if there is no store yet. `changes` are those that it tells.
    pub(super) fn open(folder: &Arc<Folder>, fresh: bool, changes: &Changes) -> Result<Self, KeyringError> {
        let pepper = secret(folder, PEPPER, fresh, random)?;
        let seal = secret(folder, SEAL, fresh, random)?;
        if pepper.expose().len() != 32 {
            return Err(KeyringError::Content(PEPPER));
        }
        let signing = LogKey::open(folder, fresh, changes)?;
        let handles = Digest::of_parts(&[b"postern handle key\n", seal.expose()]);
        let handles = Secret::new(handles.as_bytes().to_vec());
        Ok(Self { pepper, sealer: Arc::new(vault::open(folder, &seal)?), handles, signing: Arc::new(signing) })
    }

    /// The key that verifies, for reading beside a gateway.
    pub(super) fn public(folder: &Folder) -> Result<VerifyingKey, KeyringError> {
        if !folder.guard(PUBLIC)? {
            return Err(KeyringError::Missing(PUBLIC));
        }
        let text = String::from_utf8(folder.read(PUBLIC)?).map_err(|_| KeyringError::Content(PUBLIC))?;
        Ok(text.parse()?)
    }
}

fn random() -> Result<Secret<Vec<u8>>, KeyringError> {
    let mut bytes = vec![0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyringError::Random)?;
    Ok(Secret::new(bytes))
}

fn secret(
    folder: &Folder,
    name: &'static str,
    fresh: bool,
    make: impl FnOnce() -> Result<Secret<Vec<u8>>, KeyringError>,
) -> Result<Secret<Vec<u8>>, KeyringError> {
    if folder.guard(name)? {
        return Ok(Secret::new(folder.read(name)?));
    }
    if !fresh {
        return Err(KeyringError::Missing(name));
    }
    let secret = make()?;
    folder.create(name, secret.expose())?;
    Ok(secret)
}
