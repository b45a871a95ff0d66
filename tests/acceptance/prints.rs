//! Fingerprints as records have them, computed beside the gateway from the keys of its data folder.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use aws_lc_rs::{digest, hmac};

/// The sealing keys of a data folder, by id.
pub struct Prints(BTreeMap<String, hmac::Key>);

impl Prints {
    pub fn read(data: &Path) -> anyhow::Result<Self> {
        let mut keys = BTreeMap::new();
        for entry in fs::read_dir(data.join("seal")).context("no sealing keys")? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(id) = name.strip_suffix(".key") else { continue };
            let bytes = [b"postern fingerprint key\n", fs::read(&path)?.as_slice()].concat();
            let key = digest::digest(&digest::SHA256, &bytes);
            keys.insert(id.to_owned(), hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()));
        }
        Ok(Self(keys))
    }

    /// What this text has on record, under each of the keys.
    pub fn of(&self, text: &str) -> Vec<String> {
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let print = |(id, key): (&String, &hmac::Key)| {
            let tag = hmac::sign(key, hash.as_ref());
            let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("hmac-sha256:{id}:{hex}")
        };
        self.0.iter().map(print).collect()
    }
}
