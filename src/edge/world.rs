//! The current catalog: read from KV, compiled once, kept by the isolate, refreshed behind the caller's back.

use super::incoming::Incoming;
use super::isolate::{self, World};
use super::{clock, config};
use crate::catalog::Catalog;
use crate::catalog::registry::Snapshot;
use crate::catalog::vault::{self, SealedValues};
use crate::wire::Millis;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use worker::{Context, Env};

/// A world older than this is refreshed while it is still used (the smallest `cacheTtl` of KV).
const FRESH: Millis = Millis(30_000);

/// The world for this request. Waits for KV only when the isolate has none yet.
pub(super) async fn current(incoming: &Incoming) -> World {
    of(&incoming.env, &incoming.context).await
}

/// The same for work that has no request.
pub(super) async fn of(env: &Env, context: &Rc<Context>) -> World {
    let now = clock::now();
    match isolate::world() {
        Some(loaded) if now.since(loaded.checked_at) < FRESH => loaded.world,
        Some(loaded) => {
            isolate::set_world(loaded.world.clone(), now);
            let env = env.clone();
            let known = loaded.world.clone();
            context.wait_until(async move { refresh(&env, Some(known)).await });
            loaded.world
        }
        None => {
            futures::future::join(refresh(env, None), super::health::learn_digest(env)).await;
            isolate::world().map_or_else(
                || bundled(env, Some("nothing loaded".to_owned())),
                |loaded| loaded.world,
            )
        }
    }
}

/// Uses a snapshot at once: the isolate that served an admin write does not wait for KV.
pub(super) async fn adopt(env: &Env, snapshot: &str) {
    let world = match compile(env, snapshot).await {
        Ok(world) => world,
        Err(problem) => isolate::world().map_or_else(
            || bundled(env, Some(problem.clone())),
            |loaded| World {
                problem: Some(problem.clone()),
                ..loaded.world
            },
        ),
    };
    isolate::set_world(world, clock::now());
}

/// The world of callers at this edge location who have nothing in memory: what KV holds here.
pub(super) async fn published(env: &Env) -> World {
    let known = isolate::world().map(|loaded| loaded.world);
    match read(env, known.as_ref().map(|world| world.catalog.revision)).await {
        Ok(Read::Snapshot(text)) => match compile(env, &text).await {
            Ok(world) => world,
            Err(problem) => bundled(env, Some(problem)),
        },
        Ok(Read::Unchanged) => known.unwrap_or_else(|| bundled(env, None)),
        Ok(Read::Nothing) => bundled(env, None),
        Err(problem) => bundled(env, Some(problem)),
    }
}

async fn refresh(env: &Env, known: Option<World>) {
    let world = match read(env, known.as_ref().map(|world| world.catalog.revision)).await {
        Ok(Read::Unchanged) => known.map(|world| World { problem: None, ..world }),
        Ok(Read::Nothing) => Some(bundled(env, None)),
        Ok(Read::Snapshot(text)) => match compile(env, &text).await {
            Ok(world) => Some(world),
            Err(problem) => known
                .map(|world| World {
                    problem: Some(problem.clone()),
                    ..world
                })
                .or_else(|| Some(bundled(env, Some(problem)))),
        },
        Err(problem) => known
            .map(|world| World {
                problem: Some(problem.clone()),
                ..world
            })
            .or_else(|| Some(bundled(env, Some(problem)))),
    };
    if let Some(world) = world {
        isolate::set_world(world, clock::now());
    }
}

enum Read {
    Unchanged,
    Nothing,
    Snapshot(String),
}

/// `snapshot/current` names the revision, `snapshot/<revision>` holds it.
async fn read(env: &Env, known: Option<u64>) -> Result<Read, String> {
    let kv = env.kv(config::KV).map_err(|error| error.to_string())?;
    let get = |key: String| {
        let kv = kv.clone();
        async move {
            kv.get(&key)
                .cache_ttl(30)
                .text()
                .await
                .map_err(|error| error.to_string())
        }
    };
    let Some(revision) = get("snapshot/current".to_owned()).await? else {
        return Ok(Read::Nothing);
    };
    if known.is_some_and(|known| known.to_string() == revision) {
        return Ok(Read::Unchanged);
    }
    match get(format!("snapshot/{revision}")).await? {
        Some(text) => Ok(Read::Snapshot(text)),
        None => Err(format!("catalog revision {revision} is announced but not yet readable")),
    }
}

async fn compile(env: &Env, text: &str) -> Result<World, String> {
    let snapshot = Snapshot::parse(text)?;
    let sealed = super::sealing::open_all(env, &snapshot).await;
    let problem = snapshot
        .unreadable
        .first()
        .map(|document| format!("this version cannot read {document}"));
    let catalog = snapshot.compile();
    let stores = super::secrets::from_stores(env, &catalog).await;
    Ok(World {
        problem,
        ..world_of(env, catalog, &sealed, &stores)
    })
}

/// The catalog that comes with the code, for a deployment in which nobody wrote anything yet.
fn bundled(env: &Env, problem: Option<String>) -> World {
    let catalog = Snapshot::default().compile();
    World {
        problem,
        ..world_of(env, catalog, &BTreeMap::new(), &BTreeMap::new())
    }
}

fn world_of(env: &Env, catalog: Catalog, sealed: &SealedValues, stores: &BTreeMap<String, String>) -> World {
    let lookup = |name: &str| config::variable(env, name).or_else(|| stores.get(name).cloned());
    let vault = vault::resolve(
        &catalog,
        &lookup,
        sealed,
        super::secrets::bindings(env, &catalog),
        config::is_local(env),
    );
    World {
        catalog: Arc::new(catalog),
        vault: Arc::new(vault),
        problem: None,
    }
}
