//! The data folder: ours alone, and held by one process (T174).

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

const RESERVE: &str = "reserve";

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Reading or writing failed.
    #[error("`{path}` cannot be used")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A link or something else that is no file or folder of its own.
    #[error("`{0}` must be {1} of its own, not a link or anything else")]
    Kind(PathBuf, &'static str),
    /// Somebody else's.
    #[error("`{0}` belongs to another user; run `chown` on it, or run the gateway as its owner")]
    Owner(PathBuf),
    /// Others may read or write it.
    #[error("`{path}` can be read or written by others (mode {mode:o}); run `chmod {mend} {path}`")]
    Mode {
        /// What.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What it should be.
        mend: &'static str,
    },
    /// Another process holds it.
    #[error("`{0}` is in use by another process; one folder belongs to one gateway")]
    Locked(PathBuf),
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}

/// The data folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: Option<File>,
}

impl Folder {
    /// Makes the folder if it is not there, and takes it for this process.
    pub(super) fn take(path: &Path) -> Result<Self, FolderError> {
        match DirBuilder::new().recursive(true).mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(path)(error)),
        }
        let mut folder = Self::look(path)?;
        let place = folder.file("postern.lock");
        folder.guard("postern.lock")?;
        let lock = open(OpenOptions::new().write(true).create(true).truncate(false), &place)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Locked(folder.path)),
            Err(TryLockError::Error(error)) => return Err(io(&place)(error)),
        }
        folder._lock = Some(lock);
        Ok(folder)
    }

    /// The folder as it is, for reading beside a gateway that may be running.
    pub(super) fn look(path: &Path) -> Result<Self, FolderError> {
        let path = fs::canonicalize(path).map_err(io(path))?;
        check(&path, true)?;
        Ok(Self { path, _lock: None })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether the file is there; an error if it is there and not ours alone.
    pub(super) fn guard(&self, name: &str) -> Result<bool, FolderError> {
        let path = self.file(name);
        match fs::symlink_metadata(&path) {
            Ok(_) => check(&path, false).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io(&path)(error)),
        }
    }

    /// The content of a file that must be there.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, FolderError> {
        self.guard(name)?;
        let path = self.file(name);
        let mut content = Vec::new();
        open(OpenOptions::new().read(true), &path)?.read_to_end(&mut content).map_err(io(&path))?;
        Ok(content)
    }

    /// A folder of its own within this one; it is made if it is not there.
    pub(super) fn within(&self, name: &str) -> Result<Self, FolderError> {
        let path = self.file(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(io(&self.path))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(&path)(error)),
        }
        check(&path, true)?;
        Self::look(&path)
    }

    /// Removes a file, durable before it returns.
    pub(super) fn remove(&self, name: &str) -> Result<(), FolderError> {
        let path = self.file(name);
        fs::remove_file(&path).map_err(io(&path))?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(io(&self.path))
    }

    /// Writes a new file, whole and durable or not at all.
    pub(super) fn create(&self, name: &str, content: &[u8]) -> Result<(), FolderError> {
        let (path, draft) = (self.file(name), self.file(&format!("{name}.new")));
        let mut file = open(OpenOptions::new().write(true).create(true).truncate(true), &draft)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(io(&draft))?;
        fs::rename(&draft, &path).map_err(io(&path))?;
        self.sync()
    }

    /// Puts a file in the place of another, whose content is overwritten as far as the disk lets that be; `false` if it
    /// is removed and could not be overwritten.
    pub(super) fn replace(&self, name: &str, with: &str) -> Result<bool, FolderError> {
        let (path, place) = (self.file(name), self.file(with));
        let old = if self.guard(with)? { Some(open(OpenOptions::new().write(true), &place)?) } else { None };
        fs::rename(&path, &place).map_err(io(&path))?;
        self.sync()?;
        Ok(old.is_none_or(|old| wiped(old, with)))
    }

    /// Removes a file whose content nobody must read again. It is gone before it is overwritten, so that no crash leaves
    /// one that nobody can read.
    pub(super) fn destroy(&self, name: &str) -> Result<(), FolderError> {
        let path = self.file(name);
        let file = open(OpenOptions::new().write(true), &path)?;
        fs::remove_file(&path).map_err(io(&path))?;
        self.sync()?;
        wiped(file, name);
        Ok(())
    }

    fn sync(&self) -> Result<(), FolderError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(io(&self.path))
    }

    /// Holds this much room for records that must be written when the disk is full; `false` if there is not so much.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let path = self.file(RESERVE);
        let fill = || -> Result<(), FolderError> {
            self.guard(RESERVE)?;
            let mut file = open(OpenOptions::new().write(true).create(true).truncate(false), &path)?;
            if file.metadata().map_err(io(&path))?.len() < bytes {
                io::copy(&mut io::repeat(0).take(bytes), &mut file).map_err(io(&path))?;
                file.sync_all().map_err(io(&path))?;
            }
            Ok(())
        };
        let held = fill().is_ok();
        if !held {
            self.release();
        }
        held
    }

    /// Gives that room away.
    pub(super) fn release(&self) {
        if let Err(error) = fs::remove_file(self.file(RESERVE)) {
            tracing::warn!(%error, "the reserve of the store could not be given away");
        }
    }

    /// Makes an empty file if it is not there.
    pub(super) fn touch(&self, name: &str) -> Result<(), FolderError> {
        open(OpenOptions::new().write(true).create(true).truncate(false), &self.file(name)).map(drop)
    }
}

fn open(options: &mut OpenOptions, path: &Path) -> Result<File, FolderError> {
    let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    options.mode(0o600).custom_flags(no_link).open(path).map_err(io(path))
}

/// Whether what was removed is overwritten as well.
fn wiped(mut file: File, name: &str) -> bool {
    let done = wipe(&mut file);
    if let Err(error) = &done {
        tracing::warn!(%error, file = name, "it was removed, and could not be overwritten");
    }
    done.is_ok()
}

fn wipe(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), file)?;
    file.sync_all()
}

fn check(path: &Path, folder: bool) -> Result<(), FolderError> {
    let found = fs::symlink_metadata(path).map_err(io(path))?;
    let (fits, kind, mend) =
        if folder { (found.is_dir(), "a folder", "700") } else { (found.is_file(), "a file", "600") };
    if !fits {
        return Err(FolderError::Kind(path.to_owned(), kind));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(FolderError::Owner(path.to_owned()));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FolderError::Mode { path: path.to_owned(), mode, mend });
    }
    Ok(())
}
