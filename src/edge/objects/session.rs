//! `Session`: one object for each (tenant, session) holds that session's pin; the object named [`INDEX`] lists them.
//!
//! Pins are hints: losing one costs a fresh choice of target, nothing else.

use super::client::{answer, question};
use crate::edge::clock;
use crate::route::pin::{Pin, SessionState};
use crate::wire::{ApiError, Millis};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use worker::{DurableObject, Env, Request, Response, Result, SqlStorageValue, State, durable_object};

/// Name of the object that lists sessions.
pub(in crate::edge) const INDEX: &str = "index";

/// Rows a listing page has at most.
const PAGE: u32 = 200;

/// `/put`
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct PutPin {
    /// The pin.
    pub(in crate::edge) pin: Pin,
    /// Idle time after which it is forgotten.
    pub(in crate::edge) ttl_ms: Millis,
}

/// `/get`
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct GetPin {
    /// The model name that the caller used.
    pub(in crate::edge) route: String,
    /// Idle time after which a pin is forgotten.
    pub(in crate::edge) ttl_ms: Millis,
}

/// `/get` answers the pin, unless there is none or it has expired.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct GotPin {
    /// The pin.
    pub(in crate::edge) pin: Option<Pin>,
}

/// `/index/touch`: a session was used.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct Touch {
    /// `<tenant>/<session>`: the name of the session's own object.
    pub(in crate::edge) name: String,
    /// Tenant.
    pub(in crate::edge) tenant: String,
    /// Its pin.
    pub(in crate::edge) pin: Pin,
    /// When the pin expires unless it is used again.
    pub(in crate::edge) expires_at: Millis,
    /// Sessions a tenant may have.
    pub(in crate::edge) tenant_cap: u32,
}

/// `/index/touch` answers the names that were pushed out.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct Evicted {
    /// Names of session objects to forget.
    pub(in crate::edge) names: Vec<String>,
}

/// `/index/list`
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct ListSessions {
    /// At most 200.
    pub(in crate::edge) limit: u32,
    /// Name after which the page begins.
    pub(in crate::edge) cursor: Option<String>,
}

/// One session in a listing.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct SessionRow {
    /// Name of its object.
    pub(in crate::edge) name: String,
    /// Tenant.
    pub(in crate::edge) tenant: String,
    /// JSON of its pin.
    pub(in crate::edge) pin: String,
    /// Milliseconds since the epoch.
    pub(in crate::edge) expires_at: f64,
}

/// `/index/remove`
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct RemoveSession {
    /// Name of its object.
    pub(in crate::edge) name: String,
}

/// Nothing to say.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct Done {}

/// The Durable Object.
#[durable_object]
pub struct Session {
    state: State,
    ready: Cell<bool>,
}

impl DurableObject for Session {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            ready: Cell::new(false),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let (path, body) = question(request).await?;
        self.prepare()?;
        match path.as_str() {
            "/get" => {
                let get: GetPin = serde_json::from_str(&body)?;
                let state = self.pins()?;
                answer(Ok(GotPin {
                    pin: state.pin(&get.route, clock::now(), get.ttl_ms).cloned(),
                }))
            }
            "/put" => {
                let put: PutPin = serde_json::from_str(&body)?;
                self.put(&put).await?;
                answer(Ok(Done {}))
            }
            "/delete" => {
                self.state.storage().delete_all().await?;
                self.ready.set(false);
                answer(Ok(Done {}))
            }
            "/index/touch" => answer(Ok(self.touch(&serde_json::from_str(&body)?)?)),
            "/index/list" => answer(Ok(self.list(&serde_json::from_str(&body)?)?)),
            "/index/remove" => {
                let remove: RemoveSession = serde_json::from_str(&body)?;
                self.execute("DELETE FROM sessions WHERE name = ?", vec![remove.name.into()])?;
                answer(Ok(Done {}))
            }
            _ => answer::<Done>(Err(ApiError::not_found(
                "the Session object has no such path".to_owned(),
            ))),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.prepare()?;
        let now = millis(clock::now().0);
        match self.expires_at()? {
            Some(expires) if expires > now => self.state.storage().set_alarm(in_future(expires, now)).await?,
            _ => self.state.storage().delete_all().await?,
        }
        Response::empty()
    }
}

#[derive(Deserialize)]
struct PinRow {
    json: String,
    expires_at: f64,
}

#[derive(Deserialize)]
struct NameRow {
    name: String,
}

impl Session {
    fn prepare(&self) -> Result<()> {
        if !self.ready.replace(true) {
            self.execute(
                "CREATE TABLE IF NOT EXISTS pin (id INTEGER PRIMARY KEY, json TEXT NOT NULL, expires_at REAL NOT NULL)",
                vec![],
            )?;
            self.execute(
                "CREATE TABLE IF NOT EXISTS sessions (name TEXT PRIMARY KEY, tenant TEXT NOT NULL, pin TEXT NOT NULL, expires_at REAL NOT NULL)",
                vec![],
            )?;
            self.execute(
                "CREATE INDEX IF NOT EXISTS sessions_by_use ON sessions (tenant, expires_at)",
                vec![],
            )?;
        }
        Ok(())
    }

    fn execute(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<worker::SqlCursor> {
        self.state.storage().sql().exec(query, bindings)
    }

    fn pins(&self) -> Result<SessionState> {
        let rows: Vec<PinRow> = self
            .execute("SELECT json, expires_at FROM pin WHERE id = 1", vec![])?
            .to_array()?;
        Ok(rows
            .first()
            .and_then(|row| serde_json::from_str(&row.json).ok())
            .unwrap_or_default())
    }

    fn expires_at(&self) -> Result<Option<f64>> {
        let rows: Vec<PinRow> = self
            .execute("SELECT json, expires_at FROM pin WHERE id = 1", vec![])?
            .to_array()?;
        Ok(rows.first().map(|row| row.expires_at))
    }

    /// One alarm for the object's life: it moves itself while the session is in use, so a turn writes one row.
    async fn put(&self, put: &PutPin) -> Result<()> {
        let first = self.expires_at()?.is_none();
        let now = clock::now();
        let mut state = self.pins()?;
        state.expire(now, put.ttl_ms);
        state.put(put.pin.clone());
        let expires = millis(now.plus(put.ttl_ms).0);
        self.execute(
            "INSERT INTO pin (id, json, expires_at) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET json = excluded.json, expires_at = excluded.expires_at",
            vec![serde_json::to_string(&state)?.into(), expires.into()],
        )?;
        if first {
            self.state
                .storage()
                .set_alarm(in_future(expires, millis(now.0)))
                .await?;
        }
        Ok(())
    }

    fn touch(&self, touch: &Touch) -> Result<Evicted> {
        self.execute(
            "DELETE FROM sessions WHERE expires_at < ?",
            vec![millis(clock::now().0).into()],
        )?;
        self.execute(
            "INSERT INTO sessions (name, tenant, pin, expires_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET pin = excluded.pin, expires_at = excluded.expires_at",
            vec![
                touch.name.clone().into(),
                touch.tenant.clone().into(),
                serde_json::to_string(&touch.pin)?.into(),
                millis(touch.expires_at.0).into(),
            ],
        )?;
        let evicted: Vec<NameRow> = self
            .execute(
                "DELETE FROM sessions WHERE name IN (SELECT name FROM sessions WHERE tenant = ? ORDER BY expires_at DESC LIMIT -1 OFFSET ?) RETURNING name",
                vec![touch.tenant.clone().into(), f64::from(touch.tenant_cap).into()],
            )?
            .to_array()?;
        Ok(Evicted {
            names: evicted.into_iter().map(|row| row.name).collect(),
        })
    }

    fn list(&self, list: &ListSessions) -> Result<Vec<SessionRow>> {
        self.execute(
            "SELECT name, tenant, pin, expires_at FROM sessions WHERE expires_at >= ? AND name > ? ORDER BY name LIMIT ?",
            vec![
                millis(clock::now().0).into(),
                list.cursor.clone().unwrap_or_default().into(),
                f64::from(list.limit.min(PAGE)).into(),
            ],
        )?
        .to_array()
    }
}

/// SQLite has no unsigned 64-bit numbers; milliseconds fit a double exactly until the year 287396.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch are below 2^53")]
fn millis(value: u64) -> f64 {
    value as f64
}

fn in_future(expires: f64, now: f64) -> std::time::Duration {
    std::time::Duration::try_from_secs_f64((expires - now).max(1000.0) / 1000.0).unwrap_or_default()
}
