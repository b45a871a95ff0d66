//! JSON lines in a file that rotates.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{export::Destination, follow::Setback};

/// A file to which events are appended, and synced before they count. It is this gateway's alone (mode 0600).
#[derive(Debug)]
pub struct LineFile(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    path: PathBuf,
    /// Bytes at which it rotates.
    most: u64,
    /// Rotated files that stay.
    keep: u32,
    file: Option<File>,
}

impl LineFile {
    /// A file that becomes `<path>.1`, `<path>.2`… whenever it has `most` bytes; `keep` of those stay.
    #[must_use]
    pub fn new(path: PathBuf, most: u64, keep: u32) -> Self {
        Self(Arc::new(Mutex::new(State { path, most, keep, file: None })))
    }

    async fn work(&self, work: impl FnOnce(&mut State) -> io::Result<()> + Send + 'static) -> Result<(), Setback> {
        let state = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut state).inspect_err(|_| state.file = None).map_err(|error| (state.path.clone(), error))
        });
        match done.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((path, error))) => Err(Setback::new(format!("{}: {error}", path.display()))),
            Err(_) => Err(Setback::new("the writer of the file ended badly")),
        }
    }
}

#[async_trait]
impl Destination for LineFile {
    async fn take(&mut self, events: &[String]) -> Result<(), Setback> {
        let lines: String = events.iter().flat_map(|event| [event, "\n"]).collect();
        self.work(move |state| state.append(lines.as_bytes())).await
    }

    async fn alive(&mut self) -> Result<(), Setback> {
        self.work(|state| state.file().map(|_| ())).await
    }
}

impl State {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let file = self.file()?;
        file.write_all(lines)?;
        file.sync_data()
    }

    /// The file to write to: made anew when it was moved away, rotated when it is full.
    fn file(&mut self) -> io::Result<&mut File> {
        let there = self.path.exists();
        let full = there && fs::metadata(&self.path)?.len() >= self.most;
        if full {
            self.rotate()?;
        }
        if full || !there {
            self.file = None;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(open(&self.path)?)),
        }
    }

    fn rotate(&self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.keep).rev() {
            if numbered(number).exists() {
                fs::rename(numbered(number), numbered(number + 1))?;
            }
        }
        if self.keep == 0 { fs::remove_file(&self.path) } else { fs::rename(&self.path, numbered(1)) }
    }
}

/// Opens the file behind its last whole line: what a crash left of a line is cut off, and comes again.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    let mut end = size;
    let mut byte = [0_u8];
    while end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut byte)?;
        if byte == *b"\n" {
            break;
        }
        end -= 1;
    }
    if end < size {
        file.set_len(end)?;
    }
    Ok(file)
}
