//! Session pins: isolate memory first, the session's Durable Object for configured routes.

use super::isolate::World;
use super::objects::client;
use super::objects::session::{Done, Evicted, GetPin, GotPin, INDEX, PutPin, Touch};
use super::{clock, config, isolate};
use crate::route::pin::{Pin, PinScope};
use worker::Env;

/// The live pin of `session` under `route`. A Durable Object that is away counts as no pin.
pub(super) async fn find(env: &Env, world: &World, scope: PinScope, session: &str, route: &str) -> Option<Pin> {
    let ttl = world.catalog.settings.session_ttl_ms;
    match scope {
        PinScope::Nothing => None,
        PinScope::Isolate => isolate::with_pins(|pins| pins.lookup(session, route, clock::now(), ttl)),
        PinScope::Durable => {
            if let Some(pin) = isolate::with_pins(|pins| pins.lookup(session, route, clock::now(), ttl)) {
                return Some(pin);
            }
            let get = GetPin {
                route: route.to_owned(),
                ttl_ms: ttl,
            };
            let got: GotPin = client::call(env, config::SESSION, session, "/get", &get).await.ok()?;
            let pin = got.pin?;
            isolate::with_pins(|pins| pins.put(session, pin.clone()));
            Some(pin)
        }
    }
}

/// Remembers in this isolate who answered: the caller's next request may arrive before this one's books are closed.
pub(super) fn remember(scope: PinScope, session: &str, pin: &Pin) {
    if scope != PinScope::Nothing {
        isolate::with_pins(|pins| pins.put(session, pin.clone()));
    }
}

/// Remembers it beyond this isolate when the scope says so. Runs after the response.
pub(super) async fn store(env: Env, world: World, scope: PinScope, tenant: String, session: String, pin: Pin) {
    if scope != PinScope::Durable {
        return;
    }
    let settings = &world.catalog.settings;
    let put = PutPin {
        pin: pin.clone(),
        ttl_ms: settings.session_ttl_ms,
    };
    let stored: Result<Done, _> = client::call(&env, config::SESSION, &session, "/put", &put).await;
    if stored.is_err() {
        return;
    }
    let touch = Touch {
        name: session,
        tenant,
        expires_at: pin.last_used_at.plus(settings.session_ttl_ms),
        pin,
        tenant_cap: settings.sessions_per_tenant,
    };
    let evicted: Result<Evicted, _> = client::call(&env, config::SESSION, INDEX, "/index/touch", &touch).await;
    for name in evicted.map(|evicted| evicted.names).unwrap_or_default() {
        let _: Result<Done, _> = client::call(&env, config::SESSION, &name, "/delete", &()).await;
    }
}
