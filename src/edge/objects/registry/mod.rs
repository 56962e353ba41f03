//! `Registry`: the only writer of catalog, policies, keys and settings. One object for the deployment; serialised by the platform.
//!
//! It stores and publishes; what a write may do is decided by `catalog::registry`.

mod calls;
mod keys;
mod publication;
mod sessions;
mod store;
mod sweeping;

pub(in crate::edge) use calls::{
    Applied, DocumentCall, DraftCall, HistoryPage, ImportCall, Listed, PageCall, RollbackCall, SealCall,
};
pub(in crate::edge) use keys::{
    ChangeKeyCall, KeyHistoryQuery, KeyPage, KeyQuery, KeyWrite, MintCall, RevokeCall, overlap_end,
};
pub(in crate::edge) use sessions::{SessionCall, SignInVerdict};

use super::client::{answer, question};
use crate::access::allowance::Allowance;
use crate::catalog::registry::{AuditRow, Change, Registry as Documents, RegistryError, Snapshot};
use crate::wire::ApiError;
use futures::lock::Mutex;
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use store::Store;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

/// Name of the one object.
pub(in crate::edge) const NAME: &str = "registry";

/// The Durable Object.
#[durable_object]
pub struct Registry {
    state: State,
    env: Env,
    documents: RefCell<Option<Documents>>,
    published_at: Cell<u64>,
    /// Publications are made one after the other, so that an old record never overtakes a newer one.
    publishing: Mutex<()>,
    failures: Cell<u32>,
    sweep_is_planned: Cell<bool>,
    refusals_audited: RefCell<Allowance>,
    throttle: RefCell<crate::access::admin::Throttle>,
}

impl DurableObject for Registry {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            documents: RefCell::default(),
            published_at: Cell::new(0),
            publishing: Mutex::new(()),
            failures: Cell::new(0),
            sweep_is_planned: Cell::new(false),
            refusals_audited: RefCell::new(calls::refusals_audited()),
            throttle: RefCell::default(),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let (path, body) = question(request).await?;
        self.load()?;
        let reply = self.handle(&path, &body);
        if matches!(&reply, Ok(handled) if handled.publish) {
            self.pay_debts().await?;
        }
        self.plan_sweep().await?;
        match reply {
            Ok(handled) => Ok(Response::ok(handled.body)?),
            Err(Failure::Refused(error)) => answer::<()>(Err(*error)),
            Err(Failure::Broken(error)) => Err(error),
        }
    }

    /// A publication that had to wait, or had failed.
    async fn alarm(&self) -> Result<Response> {
        self.load()?;
        self.pay_debts().await?;
        self.sweep_content().await?;
        Response::empty()
    }
}

/// A handled call.
struct Handled {
    body: String,
    publish: bool,
}

/// Why a call was not handled.
enum Failure {
    Refused(Box<ApiError>),
    Broken(worker::Error),
}

impl From<worker::Error> for Failure {
    fn from(error: worker::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Refused(Box::new(error.into()))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(worker::Error::RustError(error.to_string()))
    }
}

fn said<T: serde::Serialize>(value: &T) -> std::result::Result<Handled, Failure> {
    Ok(Handled {
        body: serde_json::to_string(value)?,
        publish: false,
    })
}

fn asked<T: DeserializeOwned>(body: &str) -> std::result::Result<T, Failure> {
    Ok(serde_json::from_str(body)?)
}

impl Registry {
    fn store(&self) -> Store {
        Store::new(self.state.storage().sql())
    }

    fn load(&self) -> Result<()> {
        if self.documents.borrow().is_none() {
            let store = self.store();
            store.prepare()?;
            self.documents
                .replace(Some(Documents::new(store.revision()?, store.rows()?)));
        }
        Ok(())
    }

    fn with_documents<T>(&self, f: impl FnOnce(&mut Documents) -> T) -> T {
        f(self.documents.borrow_mut().get_or_insert_with(Documents::default))
    }

    fn handle(&self, path: &str, body: &str) -> std::result::Result<Handled, Failure> {
        match path.split('/').nth(1) {
            Some("documents") => self.documents_call(path, body),
            Some("drafts") => self.drafts_call(path, body),
            Some("sealed") => self.sealed_call(path, body),
            Some("keys") => self.keys_call(path, body),
            Some("sessions") => self.sessions_call(path, body),
            Some("audit") => self.audit_call(path, body),
            _ => Err(ApiError::not_found("the Registry object has no such path").into()),
        }
    }

    /// Stores a decided change in one go: no await lies between these writes, so the platform makes them atomic.
    fn apply(&self, change: &Change) -> Result<()> {
        let store = self.store();
        store.write(change)?;
        self.owe(publication::SNAPSHOT)?;
        for policy in change.switched_policies() {
            self.owe(&format!("policy/{policy}"))?;
        }
        for row in &change.audit {
            store.append_audit(row)?;
        }
        Ok(())
    }

    fn audit(&self, row: &AuditRow) -> Result<()> {
        self.store().append_audit(row)
    }

    fn snapshot(&self) -> Result<Snapshot> {
        let sealed = self.store().sealed()?;
        Ok(self.with_documents(|documents| Snapshot::of(documents, sealed)))
    }
}
