//! Calls about admin sessions: created at sign-in, checked by hash, ended here and so ended everywhere.

use super::{Failure, Handled, Registry, asked, said};
use crate::access::admin::AdminSession;
use crate::access::roles::Role;
use crate::catalog::registry::{AuditRow, Author};
use crate::edge::clock;
use crate::wire::{ApiError, Millis};
use serde::{Deserialize, Serialize};

/// Time after which a use is written down again; a session's idle end is that much early at worst.
const WRITE_EVERY: Millis = Millis(60_000);

/// About a session. `hash` is the SHA-256 of its id.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct SessionCall {
    pub(in crate::edge) hash: String,
    /// For sign-in attempts: where from, and was the token right?
    pub(in crate::edge) address: String,
    pub(in crate::edge) right: bool,
    /// End all sessions of everybody.
    pub(in crate::edge) everywhere: bool,
    pub(in crate::edge) author: Author,
}

/// What came of a sign-in attempt.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct SignInVerdict {
    pub(in crate::edge) signed_in: bool,
}

impl Registry {
    pub(super) fn sessions_call(&self, path: &str, body: &str) -> Result<Handled, Failure> {
        let call: SessionCall = asked(body)?;
        match path {
            "/sessions/sign-in" => self.sign_in(&call),
            "/sessions/check" => said(&self.check(&call)?),
            "/sessions/end" => {
                if call.everywhere {
                    self.store().run("DELETE FROM sessions", Vec::new())?;
                } else {
                    self.store()
                        .run("DELETE FROM sessions WHERE hash = ?", vec![call.hash.into()])?;
                }
                let action = if call.everywhere {
                    "sign_out_everywhere"
                } else {
                    "sign_out"
                };
                self.audit(&AuditRow::of(&call.author, action, "session", None, Vec::new()))?;
                said(&())
            }
            _ => Err(ApiError::not_found("the Registry object has no such path").into()),
        }
    }

    /// Counts the attempt; a right token makes a session. Failures are audited, too.
    fn sign_in(&self, call: &SessionCall) -> Result<Handled, Failure> {
        let now = clock::now();
        self.throttle.borrow_mut().attempt(&call.address, now)?;
        let mut row = AuditRow::of(&call.author, "sign_in", "session", None, Vec::new());
        if !call.right {
            "invalid_admin_token".clone_into(&mut row.result);
            self.audit(&row)?;
            return said(&SignInVerdict { signed_in: false });
        }
        self.throttle.borrow_mut().forgive(&call.address);
        let session = AdminSession {
            name: call.author.actor.clone(),
            role: Role::Admin,
            created_at: now,
            used_at: now,
        };
        self.forget_old_sessions(now)?;
        self.keep_session(&call.hash, &session)?;
        self.audit(&row)?;
        said(&SignInVerdict { signed_in: true })
    }

    fn check(&self, call: &SessionCall) -> worker::Result<Option<AdminSession>> {
        let now = clock::now();
        let session: Option<AdminSession> = self.store().one(
            "SELECT row FROM sessions WHERE hash = ?",
            vec![call.hash.as_str().into()],
        )?;
        let Some(mut session) = session.filter(|session| session.is_valid(now)) else {
            return Ok(None);
        };
        if now.since(session.used_at) >= WRITE_EVERY {
            session.used_at = now;
            self.keep_session(&call.hash, &session)?;
        }
        Ok(Some(session))
    }

    fn keep_session(&self, hash: &str, session: &AdminSession) -> worker::Result<()> {
        self.store().run(
            "INSERT OR REPLACE INTO sessions (hash, row) VALUES (?, ?)",
            vec![hash.into(), serde_json::to_string(session)?.into()],
        )
    }

    fn forget_old_sessions(&self, now: Millis) -> worker::Result<()> {
        #[derive(Deserialize)]
        struct Old {
            hash: String,
            row: String,
        }
        let all: Vec<Old> = self
            .state
            .storage()
            .sql()
            .exec("SELECT hash, row FROM sessions", None)?
            .to_array()?;
        let ended =
            |old: &Old| serde_json::from_str::<AdminSession>(&old.row).map_or(true, |session| !session.is_valid(now));
        for old in all.into_iter().filter(ended) {
            self.store()
                .run("DELETE FROM sessions WHERE hash = ?", vec![old.hash.into()])?;
        }
        Ok(())
    }
}
