//! The Registry's tables. Rows in, rows out; decides nothing.

use crate::catalog::PoolId;
use crate::catalog::document::DocumentName;
use crate::catalog::registry::draft::Draft;
use crate::catalog::registry::{AuditRow, Change, HistoryRow, Row, Sealed};
use crate::wire::Millis;
use crate::wire::json::RawJson;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Result, SqlStorage, SqlStorageValue};

const TABLES: [&str; 9] = [
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS documents (collection TEXT NOT NULL, id TEXT NOT NULL, row TEXT NOT NULL, PRIMARY KEY (collection, id))",
    "CREATE TABLE IF NOT EXISTS history (collection TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, row TEXT NOT NULL, \
     PRIMARY KEY (collection, id, revision))",
    "CREATE TABLE IF NOT EXISTS drafts (id TEXT PRIMARY KEY, row TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sealed (pool TEXT NOT NULL, label TEXT NOT NULL, ciphertext TEXT NOT NULL, info TEXT NOT NULL, \
     PRIMARY KEY (pool, label))",
    "CREATE TABLE IF NOT EXISTS keys (kid TEXT PRIMARY KEY, policy TEXT NOT NULL, label TEXT NOT NULL, principal TEXT NOT NULL, row TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sessions (hash TEXT PRIMARY KEY, row TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS audit (id INTEGER PRIMARY KEY AUTOINCREMENT, row TEXT NOT NULL, hash TEXT NOT NULL, words TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS unpublished (name TEXT PRIMARY KEY, change INTEGER NOT NULL)",
];

/// The object's SQLite.
pub(super) struct Store {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Text {
    row: String,
}

#[derive(Deserialize)]
struct Numbered {
    id: f64,
    row: String,
    hash: String,
}

#[derive(Deserialize)]
struct SealedRow {
    pool: String,
    label: String,
    ciphertext: String,
}

impl Store {
    pub(super) fn new(sql: SqlStorage) -> Self {
        Self { sql }
    }

    pub(super) fn prepare(&self) -> Result<()> {
        TABLES.iter().try_for_each(|table| self.run(table, Vec::new()))
    }

    pub(super) fn run(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<()> {
        self.sql.exec(query, bindings).map(drop)
    }

    /// Rows whose column `row` holds JSON.
    pub(super) fn all<T: DeserializeOwned>(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        let rows: Vec<Text> = self.sql.exec(query, bindings)?.to_array()?;
        rows.iter()
            .map(|text| serde_json::from_str(&text.row).map_err(Into::into))
            .collect()
    }

    pub(super) fn one<T: DeserializeOwned>(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<Option<T>> {
        Ok(self.all(query, bindings)?.into_iter().next())
    }

    pub(super) fn revision(&self) -> Result<u64> {
        Ok(self
            .one("SELECT value AS row FROM meta WHERE name = 'revision'", Vec::new())?
            .unwrap_or(0))
    }

    pub(super) fn rows(&self) -> Result<Vec<Row>> {
        self.all("SELECT row FROM documents", Vec::new())
    }

    pub(super) fn write(&self, change: &Change) -> Result<()> {
        self.run(
            "INSERT INTO meta (name, value) VALUES ('revision', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            vec![change.revision.to_string().into()],
        )?;
        for row in &change.rows {
            self.run(
                "INSERT OR REPLACE INTO documents (collection, id, row) VALUES (?, ?, ?)",
                vec![
                    row.name.collection.url_name().into(),
                    row.name.id.as_str().into(),
                    serde_json::to_string(row)?.into(),
                ],
            )?;
        }
        for row in &change.history {
            self.run(
                "INSERT OR REPLACE INTO history (collection, id, revision, row) VALUES (?, ?, ?, ?)",
                vec![
                    row.name.collection.url_name().into(),
                    row.name.id.as_str().into(),
                    number(row.revision),
                    serde_json::to_string(row)?.into(),
                ],
            )?;
        }
        Ok(())
    }

    /// Newest first, below `before`.
    pub(super) fn history(&self, name: &DocumentName, before: u64, limit: u32) -> Result<Vec<HistoryRow>> {
        self.all(
            "SELECT row FROM history WHERE collection = ? AND id = ? AND revision < ? ORDER BY revision DESC LIMIT ?",
            vec![
                name.collection.url_name().into(),
                name.id.as_str().into(),
                number(before),
                f64::from(limit).into(),
            ],
        )
    }

    /// The document's state at `revision`: the last change at or before it.
    pub(super) fn state_at(&self, name: &DocumentName, revision: u64) -> Result<Option<HistoryRow>> {
        self.one(
            "SELECT row FROM history WHERE collection = ? AND id = ? AND revision <= ? ORDER BY revision DESC LIMIT 1",
            vec![
                name.collection.url_name().into(),
                name.id.as_str().into(),
                number(revision),
            ],
        )
    }

    pub(super) fn draft(&self, id: &str) -> Result<Option<Draft>> {
        self.one("SELECT row FROM drafts WHERE id = ?", vec![id.into()])
    }

    pub(super) fn put_draft(&self, id: &str, draft: &Draft) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO drafts (id, row) VALUES (?, ?)",
            vec![id.into(), serde_json::to_string(draft)?.into()],
        )
    }

    pub(super) fn delete_draft(&self, id: &str) -> Result<()> {
        self.run("DELETE FROM drafts WHERE id = ?", vec![id.into()])
    }

    pub(super) fn sealed(&self) -> Result<Vec<Sealed>> {
        let rows: Vec<SealedRow> = self
            .sql
            .exec("SELECT pool, label, ciphertext FROM sealed ORDER BY pool, label", None)?
            .to_array()?;
        let sealed = |row: SealedRow| {
            Some(Sealed {
                pool: PoolId::parse(&row.pool).ok()?,
                label: row.label,
                ciphertext: row.ciphertext,
            })
        };
        Ok(rows.into_iter().filter_map(sealed).collect())
    }

    /// What may be shown of a pool's sealed credentials, as JSON.
    pub(super) fn sealed_info(&self, pool: &str) -> Result<Vec<RawJson>> {
        self.all(
            "SELECT info AS row FROM sealed WHERE pool = ? ORDER BY label",
            vec![pool.into()],
        )
    }

    pub(super) fn put_sealed(&self, sealed: &Sealed, info: &serde_json::Value) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO sealed (pool, label, ciphertext, info) VALUES (?, ?, ?, ?)",
            vec![
                sealed.pool.as_str().into(),
                sealed.label.as_str().into(),
                sealed.ciphertext.as_str().into(),
                info.to_string().into(),
            ],
        )
    }

    pub(super) fn delete_sealed(&self, pool: &str, label: &str) -> Result<()> {
        self.run(
            "DELETE FROM sealed WHERE pool = ? AND label = ?",
            vec![pool.into(), label.into()],
        )
    }

    pub(super) fn append_audit(&self, row: &AuditRow) -> Result<()> {
        let last: Vec<Numbered> = self
            .sql
            .exec("SELECT id, row, hash FROM audit ORDER BY id DESC LIMIT 1", None)?
            .to_array()?;
        let hash = row.chained(last.first().map_or("", |last| last.hash.as_str()));
        let words = format!("{} {} {} {}", row.actor, row.action, row.object, row.result).to_lowercase();
        self.run(
            "INSERT INTO audit (row, hash, words) VALUES (?, ?, ?)",
            vec![serde_json::to_string(row)?.into(), hash.into(), words.into()],
        )
    }

    /// Newest first, below `before`, whose words contain `q`.
    pub(super) fn audit(&self, before: u64, q: &str, limit: u32) -> Result<Vec<(u64, AuditRow)>> {
        let rows: Vec<Numbered> = self
            .sql
            .exec(
                "SELECT id, row, hash FROM audit WHERE id < ? AND instr(words, ?) > 0 ORDER BY id DESC LIMIT ?",
                vec![number(before), q.to_lowercase().into(), f64::from(limit).into()],
            )?
            .to_array()?;
        rows.into_iter()
            .map(|row| Ok((whole(row.id), serde_json::from_str(&row.row)?)))
            .collect()
    }
}

/// SQLite numbers arrive as doubles; ids and revisions stay below 2^53.
#[expect(clippy::cast_precision_loss, reason = "ids and revisions stay below 2^53")]
pub(super) fn number(value: u64) -> SqlStorageValue {
    (value.min(1 << 53) as f64).into()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an id that SQLite counted up from 1"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

/// The largest bound of a page that begins at the newest row.
pub(super) const NEWEST: u64 = 1 << 53;

/// Now, for rows.
pub(super) fn now() -> Millis {
    crate::edge::clock::now()
}
