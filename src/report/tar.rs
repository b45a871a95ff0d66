//! A folder as one file in the ustar form (POSIX.1-1988), the same bytes for the same content.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

const BLOCK: usize = 512;

/// Writes the files of this folder into a new tar file, under a folder of this name.
///
/// # Errors
/// The file is there already, or something cannot be read or written.
pub fn pack(folder: &Path, name: &str, tar: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(tar)?);
    let mut files: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.file_name().to_string_lossy().into_owned());
    }
    files.sort();
    for file in files {
        let mut content = File::open(folder.join(&file))?;
        let size = content.metadata()?.len();
        out.write_all(&header(&format!("{name}/{file}"), size)?)?;
        let copied = io::copy(&mut content, &mut out)?;
        if copied != size {
            return Err(io::Error::other("a file changed while it was packed"));
        }
        let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        if over > 0 {
            out.write_all(&vec![0; BLOCK - over])?;
        }
    }
    out.write_all(&[0; 2 * BLOCK])?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn header(path: &str, size: u64) -> io::Result<Vec<u8>> {
    // Name, mode, owner, group, size, time, check, type, link, magic, and the rest of the block.
    let fields: [(usize, String); 10] = [
        (100, path.to_owned()),
        (8, "0000600\0".to_owned()),
        (8, "0000000\0".to_owned()),
        (8, "0000000\0".to_owned()),
        (12, format!("{size:011o}\0")),
        (12, "00000000000\0".to_owned()),
        (8, " ".repeat(8)),
        (1, "0".to_owned()),
        (100, String::new()),
        (255, "ustar\x0000".to_owned()),
    ];
    let mut block = Vec::with_capacity(BLOCK);
    for (width, text) in &fields {
        if text.len() > *width {
            return Err(io::Error::other("a name or a file is too large for a tar file"));
        }
        block.extend_from_slice(text.as_bytes());
        block.resize(block.len() + width - text.len(), 0);
    }
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let check = format!("{sum:06o}\0 ");
    for (to, from) in block.iter_mut().skip(148).zip(check.bytes()) {
        *to = from;
    }
    Ok(block)
}
