//! The rows of a Ledger in SQLite. One write is one row wherever that is possible, because rows written are what a Ledger costs:
//! no index, no delete, a table per day that is dropped as a whole.

use crate::account::calendar::DAY;
use crate::account::counters::Counters;
use crate::account::figures::MAX_LOOKED_AT;
use crate::account::ledger::query::{FindRequest, Found};
use crate::account::ledger::{Checkpoint, LeaseRow, Posting, Subject, SubjectSums};
use crate::account::listing::{LedgerPage, MAX_SCANNED, PlacedRow, Position, RequestFilter};
use crate::account::rollup::Rollup;
use crate::account::trace::TraceBody;
use crate::account::usage::RequestRow;
use crate::wire::Millis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use worker::{Result, SqlStorage, SqlStorageValue};

/// Version of the tables; a newer program migrates, an older one refuses.
const VERSION: &str = "1";
/// Hours of which roll-ups are kept, days.
const KEEP_HOURS_DAYS: u64 = 400;
/// Rows with the same request id that are looked at.
const MAX_SAME_ID: usize = 50;

/// Settlements of one stored row.
const MAX_CHUNK: usize = 256;
/// Bytes of one stored row after which no more settlements are put into it; one settlement has at most 250 KB, a row may have 2 MB.
const MAX_CHUNK_BYTES: usize = 1_000_000;
/// Largest integer that survives the way through JavaScript.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// A JSON array that is written item by item.
#[derive(Default)]
struct JsonList {
    text: String,
}

impl JsonList {
    fn push<T: Serialize>(&mut self, item: &T) -> Result<()> {
        self.text.push(if self.text.is_empty() { '[' } else { ',' });
        self.text.push_str(&serde_json::to_string(item)?);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.text.len()
    }

    fn close(mut self) -> String {
        self.text.push_str(if self.text.is_empty() { "[]" } else { "]" });
        self.text
    }
}

/// A settlement with its rows, as it is stored.
pub(super) struct Settlement {
    pub(super) posting: Posting,
    pub(super) row: Option<RequestRow>,
    pub(super) trace: Option<TraceBody>,
}

/// What is stored now and then in one row: a counter that had a row of its own would be one more write.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct StoredCheckpoint {
    #[serde(flatten)]
    pub(super) checkpoint: Checkpoint,
    #[serde(default)]
    pub(super) counters: Counters,
}

/// Rows that are shown without a break, in which a Ledger grants nothing: ten times as many took 0.21 to 0.34 s on 2 cores.
const STEP: usize = 1_000;

/// How far a look through the newest rows has come.
pub(super) struct Look {
    from: u64,
    to: u64,
    /// Rows that may still be shown.
    left: usize,
    /// Day and number of the oldest chunk that was shown.
    shown_from: Option<(u64, u64)>,
}

impl Look {
    /// At the newest of the rows that may have arrived in the period; at most [`MAX_LOOKED_AT`] are shown.
    pub(super) fn new(from: Option<Millis>, to: Option<Millis>) -> Self {
        Self {
            from: from.map_or(0, |from| from.0),
            to: to.map_or(MAX_SAFE, |to| to.0),
            left: MAX_LOOKED_AT,
            shown_from: None,
        }
    }
}

/// What a restart reads.
pub(super) struct Stored {
    pub(super) checkpoint: Checkpoint,
    pub(super) counters: Counters,
    pub(super) leases: Vec<LeaseRow>,
    pub(super) postings: Vec<Posting>,
    pub(super) rows: Vec<RequestRow>,
    pub(super) revoked: Vec<(String, Millis)>,
    pub(super) paused: Vec<Subject>,
    pub(super) days: BTreeSet<u64>,
}

/// The tables of one Ledger.
pub(super) struct Store {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Body {
    body: String,
}

#[derive(Deserialize)]
struct NumberedBody {
    number: f64,
    body: String,
}

#[derive(Deserialize)]
struct Chunk {
    postings: String,
    rows: String,
    #[serde(default)]
    traces: Option<String>,
}

impl Store {
    pub(super) fn new(sql: SqlStorage) -> Self {
        Self { sql }
    }

    /// Creates what is missing and reads what a restart needs.
    pub(super) fn load(&self) -> Result<Stored> {
        for table in [
            "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS lease (slot INTEGER PRIMARY KEY, body TEXT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS sums (subject TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS hour (hour INTEGER PRIMARY KEY, body TEXT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS revoked (kid TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS paused (subject TEXT PRIMARY KEY) WITHOUT ROWID",
        ] {
            self.run(table, vec![])?;
        }
        match self.meta("version")? {
            None => self.put_meta("version", VERSION)?,
            Some(version) if version == VERSION => {}
            Some(version) => {
                return Err(format!("this Ledger was written by another version ({version}) of the router").into());
            }
        }
        let StoredCheckpoint { checkpoint, counters } = self
            .meta("checkpoint")?
            .map_or_else(|| Ok(StoredCheckpoint::default()), |text| serde_json::from_str(&text))?;
        let leases = self.bodies("SELECT body FROM lease", vec![])?;
        let days = self.days()?;
        let (mut postings, mut rows) = (Vec::new(), Vec::new());
        for day in &days {
            let query = format!("SELECT postings, rows FROM usage_{day} WHERE seq > ? ORDER BY seq");
            for chunk in self.run(&query, vec![integer(checkpoint.sequence)])?.next::<Chunk>() {
                let chunk = chunk?;
                postings.extend(serde_json::from_str::<Vec<Posting>>(&chunk.postings)?);
                rows.extend(
                    serde_json::from_str::<Vec<Option<RequestRow>>>(&chunk.rows)?
                        .into_iter()
                        .flatten(),
                );
            }
        }
        let revoked: Vec<NumberedBody> = self
            .run("SELECT at AS number, kid AS body FROM revoked", vec![])?
            .to_array()?;
        let revoked = revoked
            .into_iter()
            .map(|row| (row.body, Millis(whole(row.number))))
            .collect();
        let paused: Vec<Body> = self.run("SELECT subject AS body FROM paused", vec![])?.to_array()?;
        let paused = paused.iter().filter_map(|row| Subject::named(&row.body)).collect();
        Ok(Stored {
            checkpoint,
            counters,
            leases,
            postings,
            rows,
            revoked,
            paused,
            days,
        })
    }

    pub(super) fn put_lease(&self, row: &LeaseRow) -> Result<()> {
        let slot = SqlStorageValue::Integer(i64::from(row.lease.slot));
        let query =
            "INSERT INTO lease (slot, body) VALUES (?, ?) ON CONFLICT (slot) DO UPDATE SET body = excluded.body";
        self.run(query, vec![slot, json(row)?]).map(drop)
    }

    /// Stores settlements as one row of the day's table: as many of the first ones as fit, and says how many.
    pub(super) fn put_chunk(&self, day: u64, entries: &[Settlement]) -> Result<usize> {
        let (mut postings, mut rows, mut traces) = (JsonList::default(), JsonList::default(), JsonList::default());
        let mut stored: Vec<&Posting> = Vec::new();
        for entry in entries.iter().take(MAX_CHUNK) {
            postings.push(&entry.posting)?;
            rows.push(&entry.row)?;
            traces.push(&entry.trace)?;
            stored.push(&entry.posting);
            if postings.bytes() + rows.bytes() + traces.bytes() > MAX_CHUNK_BYTES {
                break;
            }
        }
        let (Some(first), Some(last)) = (stored.first(), stored.last()) else {
            return Ok(0);
        };
        let earliest = stored.iter().map(|posting| posting.at.0).min().unwrap_or_default();
        self.run(
            &format!(
                "INSERT INTO usage_{day} (seq, begun, earliest, postings, rows, traces) VALUES (?, ?, ?, ?, ?, ?)"
            ),
            vec![
                integer(last.seq),
                integer(first.settled.0),
                integer(earliest),
                postings.close().into(),
                rows.close().into(),
                traces.close().into(),
            ],
        )?;
        Ok(stored.len())
    }

    /// Creates the table of a day. Columns are ordered so that lists need not read traces.
    pub(super) fn create_day(&self, day: u64) -> Result<()> {
        let columns = "seq INTEGER PRIMARY KEY, begun INTEGER NOT NULL, earliest INTEGER NOT NULL, postings TEXT NOT NULL, rows TEXT NOT NULL, traces TEXT NOT NULL";
        self.run(&format!("CREATE TABLE IF NOT EXISTS usage_{day} ({columns})"), vec![])
            .map(drop)
    }

    /// Forgets the rows of a day and roll-ups that are very old.
    pub(super) fn drop_day(&self, day: u64) -> Result<()> {
        self.run(&format!("DROP TABLE IF EXISTS usage_{day}"), vec![])?;
        let oldest = day.saturating_sub(KEEP_HOURS_DAYS).saturating_mul(24);
        self.run("DELETE FROM hour WHERE hour > 0 AND hour < ?", vec![integer(oldest)])
            .map(drop)
    }

    pub(super) fn put_checkpoint(
        &self,
        checkpoint: &StoredCheckpoint,
        sums: &[(Subject, SubjectSums)],
        hours: &[(u64, &Rollup)],
    ) -> Result<()> {
        for (subject, sums) in sums {
            let query = "INSERT INTO sums (subject, body) VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET body = excluded.body";
            self.run(query, vec![subject.to_string().into(), json(sums)?])?;
        }
        for (hour, rollup) in hours {
            let query =
                "INSERT INTO hour (hour, body) VALUES (?, ?) ON CONFLICT (hour) DO UPDATE SET body = excluded.body";
            self.run(query, vec![integer(*hour), json(rollup)?])?;
        }
        self.put_meta("checkpoint", &serde_json::to_string(checkpoint)?)
    }

    pub(super) fn put_revoked(&self, kid: &str, at: Millis) -> Result<()> {
        self.run(
            "INSERT INTO revoked (kid, at) VALUES (?, ?) ON CONFLICT (kid) DO NOTHING",
            vec![kid.into(), integer(at.0)],
        )
        .map(drop)
    }

    pub(super) fn put_paused(&self, subject: &Subject, paused: bool) -> Result<()> {
        let query = if paused {
            "INSERT OR REPLACE INTO paused (subject) VALUES (?)"
        } else {
            "DELETE FROM paused WHERE subject = ?"
        };
        self.run(query, vec![subject.to_string().into()]).map(drop)
    }

    pub(super) fn sums(&self, subject: &Subject) -> Result<SubjectSums> {
        let stored = self.bodies(
            "SELECT body FROM sums WHERE subject = ?",
            vec![subject.to_string().into()],
        )?;
        Ok(stored.into_iter().next().unwrap_or_default())
    }

    pub(super) fn hour(&self, hour: u64) -> Result<Rollup> {
        let stored = self.bodies("SELECT body FROM hour WHERE hour = ?", vec![integer(hour)])?;
        Ok(stored.into_iter().next().unwrap_or_default())
    }

    /// Roll-ups of the hours from `from` up to but without `to`.
    pub(super) fn hours(&self, from: u64, to: u64) -> Result<Vec<(u64, Rollup)>> {
        let query = "SELECT hour AS number, body FROM hour WHERE hour >= ? AND hour < ? ORDER BY hour";
        let rows: Vec<NumberedBody> = self.run(query, vec![integer(from), integer(to)])?.to_array()?;
        rows.into_iter()
            .map(|row| Ok((whole(row.number), serde_json::from_str(&row.body)?)))
            .collect()
    }

    /// Looks through the rows of `days`, newest first.
    pub(super) fn list(&self, days: &BTreeSet<u64>, policy: &str, filter: &RequestFilter) -> Result<LedgerPage> {
        let mut page = LedgerPage::default();
        let newest = filter.cursor.as_ref().map_or(u64::MAX, |cursor| cursor.settled.0);
        let from = filter.from.map_or(0, |from| from.0);
        let to = filter.to.map_or(MAX_SAFE, |to| to.0);
        let mut scanned = 0;
        // A row is stored in the table of the day on which it was settled, at the latest a hold after midnight.
        let is_wanted = |day: &&u64| {
            day.saturating_mul(DAY) <= newest.saturating_add(DAY) && day.saturating_add(1).saturating_mul(DAY) > from
        };
        for day in days.iter().rev().filter(is_wanted) {
            let query =
                format!("SELECT postings, rows FROM usage_{day} WHERE begun <= ? AND earliest < ? ORDER BY seq DESC");
            for chunk in self.run(&query, vec![integer(newest), integer(to)])?.next::<Chunk>() {
                for (posting, row) in entries_of(&chunk?)?.into_iter().rev() {
                    let position = Position {
                        settled: posting.settled,
                        policy: policy.to_owned(),
                        seq: posting.seq,
                    };
                    if filter.cursor.as_ref().is_some_and(|cursor| position >= *cursor) {
                        continue;
                    }
                    if scanned >= MAX_SCANNED || page.items.len() >= filter.limit {
                        return Ok(page);
                    }
                    scanned += 1;
                    page.reached = Some(position.clone());
                    if let Some(row) = row.filter(|row| filter.matches(row)) {
                        page.items.push(PlacedRow { position, row });
                    }
                }
            }
        }
        page.reached = None;
        Ok(page)
    }

    /// Shows `each` the next rows of a look, newest first, about [`STEP`] of them. `None`: there may be more; else whether all were shown.
    pub(super) fn look(
        &self,
        days: &BTreeSet<u64>,
        look: &mut Look,
        mut each: impl FnMut(&RequestRow),
    ) -> Result<Option<bool>> {
        let end = look.left.saturating_sub(STEP);
        let shown = look.shown_from;
        for day in days
            .iter()
            .rev()
            .filter(|day| shown.is_none_or(|(oldest, _)| **day <= oldest))
        {
            let before = shown
                .filter(|(oldest, _)| oldest == day)
                .map_or(MAX_SAFE, |(_, chunk)| chunk);
            let query =
                format!("SELECT postings, rows FROM usage_{day} WHERE earliest < ? AND seq < ? ORDER BY seq DESC");
            for chunk in self
                .run(&query, vec![integer(look.to), integer(before)])?
                .next::<Chunk>()
            {
                if look.left <= end && end > 0 {
                    return Ok(None);
                }
                let entries = entries_of(&chunk?)?;
                // A chunk's number is that of its last posting.
                look.shown_from = entries.last().map(|(last, _)| (*day, last.seq));
                for (posting, row) in entries.into_iter().rev() {
                    // Nothing arrives after it was settled, and what follows was settled earlier.
                    if posting.settled.0 < look.from {
                        return Ok(Some(true));
                    }
                    let Some(row) = row else { continue };
                    if look.left == 0 {
                        return Ok(Some(false));
                    }
                    look.left -= 1;
                    each(&row);
                }
            }
        }
        Ok(Some(true))
    }

    /// The newest request of that id.
    pub(super) fn find(&self, days: &BTreeSet<u64>, request: &FindRequest) -> Result<Option<Found>> {
        let needle = format!("\"request_id\":{}", serde_json::to_string(&request.request_id)?);
        let is_wanted = |row: &RequestRow| {
            row.request_id == request.request_id && request.kid.as_ref().is_none_or(|kid| row.kid == *kid)
        };
        for day in days.iter().rev() {
            let query =
                format!("SELECT postings, rows, traces FROM usage_{day} WHERE instr(rows, ?) > 0 ORDER BY seq DESC");
            for chunk in self
                .run(&query, vec![needle.as_str().into()])?
                .next::<Chunk>()
                .take(MAX_SAME_ID)
            {
                let chunk = chunk?;
                let traces: Vec<Option<TraceBody>> = serde_json::from_str(chunk.traces.as_deref().unwrap_or("[]"))?;
                let rows: Vec<Option<RequestRow>> = serde_json::from_str(&chunk.rows)?;
                let traces = traces.into_iter().chain(std::iter::repeat(None));
                let found = rows
                    .into_iter()
                    .zip(traces)
                    .filter_map(|(row, trace)| row.map(|row| (row, trace)))
                    .filter(|(row, _)| is_wanted(row))
                    .last();
                if let Some((row, trace)) = found {
                    return Ok(Some(Found {
                        row,
                        trace: trace.unwrap_or_default(),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// Days that have a table.
    fn days(&self) -> Result<BTreeSet<u64>> {
        let query = "SELECT name AS body FROM sqlite_master WHERE type = 'table' AND name LIKE 'usage\\_%' ESCAPE '\\'";
        let names: Vec<Body> = self.run(query, vec![])?.to_array()?;
        Ok(names
            .iter()
            .filter_map(|row| row.body.strip_prefix("usage_")?.parse().ok())
            .collect())
    }

    fn meta(&self, name: &str) -> Result<Option<String>> {
        let rows: Vec<Body> = self
            .run("SELECT body FROM meta WHERE name = ?", vec![name.into()])?
            .to_array()?;
        Ok(rows.into_iter().next().map(|row| row.body))
    }

    fn put_meta(&self, name: &str, body: &str) -> Result<()> {
        let query = "INSERT INTO meta (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body";
        self.run(query, vec![name.into(), body.into()]).map(drop)
    }

    fn bodies<T: DeserializeOwned>(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        let rows: Vec<Body> = self.run(query, bindings)?.to_array()?;
        rows.iter().map(|row| Ok(serde_json::from_str(&row.body)?)).collect()
    }

    fn run(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<worker::SqlCursor> {
        self.sql.exec(query, bindings)
    }
}

fn entries_of(chunk: &Chunk) -> Result<Vec<(Posting, Option<RequestRow>)>> {
    let postings: Vec<Posting> = serde_json::from_str(&chunk.postings)?;
    let rows: Vec<Option<RequestRow>> = serde_json::from_str(&chunk.rows)?;
    Ok(postings.into_iter().zip(rows).collect())
}

fn json<T: Serialize>(value: &T) -> Result<SqlStorageValue> {
    Ok(SqlStorageValue::String(serde_json::to_string(value)?))
}

fn integer(number: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(number.min(MAX_SAFE)).unwrap_or(i64::MAX))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a non-negative integer below 2^53 by construction"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
