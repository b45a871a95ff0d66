//! The tables, and a connection to them.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

/// `Post` as a number: tells our files from others.
const APPLICATION: i64 = 0x506f_7374;
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, decision TEXT, exception TEXT,
    chain BLOB NOT NULL CHECK (length(chain) = 32), payload TEXT NOT NULL
) STRICT;
CREATE INDEX journal_decision ON journal (decision) WHERE decision IS NOT NULL;
CREATE INDEX journal_exception ON journal (exception, kind) WHERE exception IS NOT NULL;
CREATE INDEX journal_key ON journal (seq) WHERE kind = 'key';
CREATE INDEX journal_policy ON journal (seq) WHERE kind = 'policy';
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, chain BLOB NOT NULL, latest INTEGER NOT NULL) STRICT;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, chain BLOB NOT NULL, peaks BLOB NOT NULL, floor INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
CREATE TABLE uses (exception TEXT PRIMARY KEY, used INTEGER NOT NULL CHECK (used >= 0)) STRICT, WITHOUT ROWID;
CREATE TABLE exception_head (exception TEXT PRIMARY KEY, version INTEGER NOT NULL CHECK (version > 0)) STRICT, WITHOUT ROWID;
CREATE TABLE access_key (
    id TEXT PRIMARY KEY, mac BLOB NOT NULL UNIQUE CHECK (length(mac) = 32), principal TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL CHECK (expires > created), revoked INTEGER, note TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE pin (
    server TEXT NOT NULL, tool TEXT NOT NULL, digest TEXT NOT NULL, definition TEXT NOT NULL,
    approved_by TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (server, tool)
) STRICT, WITHOUT ROWID;
CREATE TABLE bundle (digest TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// What came after the first version: nothing that an older program could not pass over.
const LATER: &str = "CREATE INDEX IF NOT EXISTS journal_pilot ON journal (seq) WHERE kind = 'pilot';
    CREATE INDEX IF NOT EXISTS journal_alarm ON journal (seq) WHERE kind = 'alarm';
    CREATE TABLE IF NOT EXISTS cursor (name TEXT PRIMARY KEY, seq INTEGER NOT NULL CHECK (seq >= 0)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS shadow (seq INTEGER PRIMARY KEY, decision TEXT NOT NULL, exception TEXT NOT NULL,
        refused INTEGER, candidate_refuses INTEGER, told TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS shadow_exception ON shadow (exception, seq);
    CREATE TABLE IF NOT EXISTS key_network (id TEXT PRIMARY KEY, networks TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS journal_delivery ON journal (seq) WHERE kind = 'delivery';
    CREATE INDEX IF NOT EXISTS journal_hold ON journal (seq) WHERE kind = 'hold';
    CREATE INDEX IF NOT EXISTS journal_signing ON journal (seq) WHERE kind = 'signing';
    CREATE INDEX IF NOT EXISTS journal_freeze ON journal (seq) WHERE kind = 'freeze';
    CREATE INDEX IF NOT EXISTS journal_retention ON journal (seq) WHERE kind = 'retention';
    CREATE TABLE IF NOT EXISTS freeze (scope TEXT PRIMARY KEY, frozen TEXT NOT NULL) STRICT, WITHOUT ROWID;";

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// SQLite.
    #[error("the database cannot be opened")]
    Sqlite(#[from] rusqlite::Error),
    /// Another program's, or a newer one of ours.
    #[error("the database is not one of this program ({0})")]
    Foreign(&'static str),
}

/// A connection that writes; makes the tables if there are none.
pub(super) fn writer(path: &Path) -> Result<Connection, SchemaError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_millis(500))?;
    conn.set_prepared_statement_cache_capacity(64);
    // Checkpoints of the write-ahead log are taken by the writer, after it has answered.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON;",
    )?;
    let (application, version) = marks(&conn)?;
    if (application, version) == (0, 0) {
        let transaction = conn.transaction()?;
        let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables != 0 {
            return Err(SchemaError::Foreign("it holds tables of another program"));
        }
        transaction.execute_batch(TABLES)?;
        transaction
            .execute_batch(&format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"))?;
        transaction.execute_batch(LATER)?;
        transaction.commit()?;
        return Ok(conn);
    }
    expect(application, version)?;
    conn.execute_batch(LATER)?;
    Ok(conn)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, SchemaError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(2))?;
    let (application, version) = marks(&conn)?;
    expect(application, version)?;
    Ok(conn)
}

fn marks(conn: &Connection) -> rusqlite::Result<(i64, i64)> {
    let read = |name| conn.pragma_query_value(None, name, |row| row.get(0));
    Ok((read("application_id")?, read("user_version")?))
}

fn expect(application: i64, version: i64) -> Result<(), SchemaError> {
    if application != APPLICATION {
        return Err(SchemaError::Foreign("its application id is another"));
    }
    if version != VERSION {
        return Err(SchemaError::Foreign("it was written by another version; use that one or a newer"));
    }
    Ok(())
}
