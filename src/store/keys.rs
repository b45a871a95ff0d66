//! Access keys; the journal's own records say what the table must hold.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    Store,
    job::{Done, Unavailable},
    ledger::{Entry, Ledger},
    load::{LoadError, bytes},
    pins::{moment, text},
    store::Terms,
};
use crate::{
    domain::{AgentId, CredentialId, PersonId, Timestamp},
    evidence::{KeyChange, KeyEvent, Record},
    identity::{KeyPrincipal, KeyRow, KeyStore, KeyStoreError},
};

const COLUMNS: &str = "SELECT id, mac, principal, created, expires, revoked, note, networks
    FROM access_key LEFT JOIN key_network USING (id)";

impl From<Unavailable> for KeyStoreError {
    fn from(Unavailable(why): Unavailable) -> Self {
        Self(why)
    }
}

#[async_trait]
impl KeyStore for Store {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, KeyStoreError> {
        let mac = *mac;
        let sql = format!("{COLUMNS} WHERE mac = ?1");
        Ok(self.read(move |conn| conn.prepare_cached(&sql)?.query_row([mac], key).optional()).await?)
    }

    async fn insert(&self, row: KeyRow) -> Result<(), KeyStoreError> {
        let entry = entry(&row, KeyEvent::Created, row.created)?;
        let sql = "INSERT INTO access_key (id, mac, principal, created, expires, revoked, note)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
        let work = move |ledger: &mut Ledger| {
            let made = ledger.conn.prepare_cached(sql)?.execute(params![
                row.id.as_str(),
                row.mac,
                name(&row.principal),
                row.created.timestamp_millis(),
                row.expires.timestamp_millis(),
                row.revoked.map(|at| at.timestamp_millis()),
                row.note
            ])?;
            if made == 0 {
                return Ok(Done::plain(Err(KeyStoreError(format!("there is a key `{}` already", row.id)))));
            }
            if !row.networks.is_empty() {
                let sql = "INSERT INTO key_network (id, networks) VALUES (?1, ?2)";
                ledger.conn.prepare_cached(sql)?.execute(params![row.id.as_str(), networks(&row)])?;
            }
            ledger.append(&entry)?;
            Ok(Done::plain(Ok(())))
        };
        self.ask(Terms::PATIENT, work).await?
    }

    async fn revoke(&self, id: &CredentialId, at: Timestamp) -> Result<bool, KeyStoreError> {
        let id = id.clone();
        let work = move |ledger: &mut Ledger| {
            let sql = format!("{COLUMNS} WHERE id = ?1");
            let found = ledger.conn.prepare_cached(&sql)?.query_row([id.as_str()], key).optional()?;
            let Some(row) = found else { return Ok(Done::plain(Ok(false))) };
            if row.revoked.is_none() {
                let entry = match entry(&row, KeyEvent::Revoked, at) {
                    Ok(entry) => entry,
                    Err(error) => return Ok(Done::plain(Err(error))),
                };
                set_revoked(&ledger.conn, &id, at)?;
                ledger.append(&entry)?;
            }
            ledger.memory.revoked.insert(id);
            Ok(Done::plain(Ok(true)))
        };
        self.ask(Terms::PATIENT, work).await?
    }

    async fn list(&self) -> Result<Vec<KeyRow>, KeyStoreError> {
        let sql = format!("{COLUMNS} ORDER BY created, id");
        Ok(self.read(move |conn| conn.prepare_cached(&sql)?.query_map([], key)?.collect()).await?)
    }
}

fn set_revoked(conn: &Connection, id: &CredentialId, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE access_key SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
    conn.prepare_cached(sql)?.execute(params![id.as_str(), at.timestamp_millis()]).map(drop)
}

fn name(principal: &KeyPrincipal) -> String {
    match principal {
        KeyPrincipal::Agent(agent) => format!("agent:{agent}"),
        KeyPrincipal::Person(person) => format!("person:{person}"),
    }
}

fn change(row: &KeyRow, event: KeyEvent, at: Timestamp) -> KeyChange {
    KeyChange {
        at,
        event,
        credential: row.id.clone(),
        principal: name(&row.principal),
        expires: row.expires,
        networks: row.networks.clone(),
    }
}

/// Ranges with a space between two of them.
fn networks(row: &KeyRow) -> String {
    row.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn entry(row: &KeyRow, event: KeyEvent, at: Timestamp) -> Result<Entry, KeyStoreError> {
    Entry::of(&Record::Key(change(row, event, at))).map_err(|error| KeyStoreError(error.to_string()))
}

fn key(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let principal: String = row.get(2)?;
    let principal = match principal.split_once(':') {
        Some(("agent", id)) => KeyPrincipal::Agent(AgentId::from(id)),
        Some(("person", id)) => KeyPrincipal::Person(PersonId::from(id)),
        Some(_) | None => return Err(rusqlite::Error::InvalidQuery),
    };
    let revoked = row.get::<_, Option<i64>>(5)?.map(|_| moment(row, 5)).transpose()?;
    Ok(KeyRow {
        id: text(row, 0)?,
        mac: row.get(1)?,
        principal,
        created: moment(row, 3)?,
        expires: moment(row, 4)?,
        revoked,
        note: row.get(6)?,
        networks: row
            .get::<_, Option<String>>(7)?
            .unwrap_or_default()
            .split_whitespace()
            .map(|network| network.parse().map_err(|_| rusqlite::Error::InvalidQuery))
            .collect::<Result<_, _>>()?,
    })
}

/// Keys whose row is not what the journal says (made by nobody, for somebody else, longer, for other addresses, or
/// not revoked any more), and all that are revoked.
pub(super) fn load(conn: &Connection) -> Result<(Vec<CredentialId>, Vec<CredentialId>), LoadError> {
    let mut said: BTreeMap<CredentialId, (KeyChange, bool)> = BTreeMap::new();
    let mut records = conn.prepare("SELECT payload FROM journal WHERE kind = 'key' ORDER BY seq")?;
    let mut rows = records.query([])?;
    while let Some(row) = rows.next()? {
        let Ok(Record::Key(change)) = serde_json::from_slice(&bytes(row, 0)?) else {
            return Err(LoadError::Value("journal"));
        };
        let entry = said.entry(change.credential.clone()).or_insert_with(|| (change.clone(), false));
        entry.1 |= change.event == KeyEvent::Revoked;
    }
    let mut table = conn.prepare(COLUMNS)?;
    let (mut changed, mut revoked) = (Vec::new(), Vec::new());
    for row in table.query_map([], key)? {
        let row = row.map_err(|_| LoadError::Value("access_key"))?;
        let fits = said.get(&row.id).is_some_and(|(made, over)| {
            let same_end = made.expires.timestamp_millis() == row.expires.timestamp_millis();
            made.principal == name(&row.principal)
                && same_end
                && made.networks == row.networks
                && (row.revoked.is_some() || !over)
        });
        if row.revoked.is_some() || !fits {
            revoked.push(row.id.clone());
        }
        if !fits && row.revoked.is_none() {
            changed.push(row.id);
        }
    }
    Ok((changed, revoked))
}

/// Revokes a key whose row was changed.
pub(super) fn mend(ledger: &Ledger, id: &CredentialId, at: Timestamp) -> rusqlite::Result<()> {
    set_revoked(&ledger.conn, id, at)
}
