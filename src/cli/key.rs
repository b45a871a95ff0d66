//! The operator's key: from a file that only its owner reads, from standard input or the environment, never
//! from the command line (T166).

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use super::exit::Failure;
use crate::domain::Secret;

/// Bytes of a key or token.
const LENGTH: u64 = 16 << 10;

/// Where to look for the key.
pub(super) struct KeySource<'a> {
    /// `--key-file`, if it was given; `-` is standard input.
    pub(super) file: Option<&'a Path>,
    /// `POSTERN_KEY`, if it is set.
    pub(super) variable: Option<String>,
    /// The data folder, for `admin.key`.
    pub(super) data: &'a Path,
}

/// Reads the key.
pub(super) fn read(source: KeySource<'_>) -> Result<Secret<String>, Failure> {
    let text = match (source.file, source.variable) {
        (Some(path), _) if path == Path::new("-") => {
            let mut text = String::new();
            let read = std::io::stdin().take(LENGTH).read_to_string(&mut text);
            read.map_err(|error| Failure::Input(format!("cannot read the key from standard input: {error}")))?;
            text
        }
        (Some(path), _) => from_file(path)?,
        (None, Some(text)) => text,
        (None, None) => from_file(&source.data.join("admin.key"))?,
    };
    let key = text.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Input("the key is empty or holds characters that no key has; copy it again".to_owned()));
    }
    Ok(Secret::new(key.to_owned()))
}

fn from_file(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let say = |message: String| Failure::Input(message);
    let no_links = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file: File = fs::OpenOptions::new()
        .read(true)
        .custom_flags(no_links)
        .open(path)
        .map_err(|error| say(format!("cannot read the key file `{shown}`: {error}; name yours with --key-file (the first `postern serve` makes that of the administrator)")))?;
    let facts = file.metadata().map_err(|error| say(format!("cannot read the key file `{shown}`: {error}")))?;
    if facts.permissions().mode() & 0o077 != 0 {
        return Err(say(format!("the key file `{shown}` can be read by others; run `chmod 600 {shown}`")));
    }
    let me = rustix::process::geteuid();
    if facts.uid() != me.as_raw() && !me.is_root() {
        return Err(say(format!("the key file `{shown}` belongs to somebody else; make your own copy")));
    }
    let mut text = String::new();
    let read = file.take(LENGTH).read_to_string(&mut text);
    read.map_err(|error| say(format!("cannot read the key file `{shown}`: {error}")))?;
    Ok(text)
}
