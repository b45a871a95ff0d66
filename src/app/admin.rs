//! The first key: made at the first start, for a person who may only administer.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::Context as _;

use super::{convert::ADMINISTRATOR, house::House};
use crate::{
    domain::PersonId,
    identity::{KeyPrincipal, KeyStore as _, issue},
};

/// The file of the first key, in the data folder.
const FILE: &str = "admin.key";
const DAYS: u32 = 90;

/// Writes `admin.key` (mode 0600) if no key was ever made.
pub(super) async fn first_key(house: &House, data: &Path) -> anyhow::Result<()> {
    if !house.store.list().await?.is_empty() {
        return Ok(());
    }
    let now = house.clock.now();
    let person = KeyPrincipal::Person(PersonId::from(ADMINISTRATOR));
    let (key, row) = issue(&house.store.keyring().pepper, person, DAYS, "first start", now)?;
    let path = data.join(FILE);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).with_context(|| {
        format!("the first key cannot be written to `{}`; move away what stands there", path.display())
    })?;
    file.write_all(key.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    house.store.insert(row).await?;
    println!("First start: the administrator's key is in {}; it is good for {DAYS} days.", path.display());
    Ok(())
}
