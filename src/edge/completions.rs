//! `POST /v1/chat/completions`, `POST /v1/embeddings`, `POST /v1/route`: parse, authenticate, plan, reserve, execute.

use super::finishing::Progress;
use super::incoming::Incoming;
use super::isolate::{self, World};
use super::reply::{self, Reply};
use super::shell::Shell;
use super::{callers, clock, config, finishing, ledger, pins, world};
use crate::access::Grant;
use crate::route::estimate;
use crate::route::pin::{Pin, PinScope, Session, pin_scope, session_key};
use crate::route::{Chain, Explanation, Hints, Plan, Refused, Shape};
use crate::run::engine::{AnswerAs, Limits as RunLimits, Run, RunInput};
use crate::run::fusion::input::FusionInput;
use crate::run::fusion::machine::Fusion;
use crate::run::machine::{CallId, Machine};
use crate::wire::api_error::ErrorObject;
use crate::wire::call::SessionSource;
use crate::wire::{ApiError, Call, CallKind, Limits, chat, embeddings, headers};
use serde::Serialize;
use std::sync::Arc;

/// An explanation is the same for the same request, catalog, health and pin, whoever asks and how often.
const EXPLAIN_SEED: u64 = 0;

/// A request that has been understood, and who asks.
pub(super) struct Asked {
    pub(super) world: World,
    pub(super) grant: Grant,
    pub(super) call: Arc<Call>,
    /// Its key, namespaced by the caller, and whether the caller named it.
    pub(super) session: Option<(String, bool)>,
}

impl Asked {
    pub(super) fn session(&self) -> Option<Session<'_>> {
        self.session.as_ref().map(|(key, named)| Session { key, named: *named })
    }

    pub(super) fn pin_scope(&self) -> PinScope {
        pin_scope(&self.call, self.session())
    }
}

/// Answers a completion or embeddings request.
pub(super) async fn serve(incoming: &Incoming, kind: CallKind) -> Reply {
    let mut progress = Progress::default();
    let answer = execute(incoming, kind, &mut progress).await;
    if let Err(error) = &answer {
        finishing::refused(incoming, progress, error);
    }
    answer
}

async fn execute(incoming: &Incoming, kind: CallKind, progress: &mut Progress) -> Reply {
    let asked = read(incoming, kind, progress).await?;
    // One draw for the whole request: the plan with a pin differs from the one that was reserved by the pin alone.
    let seed = clock::seed();
    let (mut plan, mut explanation) = match plan(incoming, &asked, None, seed) {
        Ok(planned) => planned,
        Err(refused) => {
            let error = refusal(&refused, clock::now());
            progress.explanation = Some(refused.explanation);
            return Err(error);
        }
    };
    let reservation_id = finishing::reservation_id();
    let scope = asked.pin_scope();
    let session = asked.session.as_ref().map(|(key, _)| key.clone()).unwrap_or_default();
    let found = pins::find(&incoming.env, &asked.world, scope, &session, &asked.call.model);
    let reserve = async {
        if !ledger::must_reserve(&asked.grant, &plan) {
            return Ok(None);
        }
        let tokens = estimate::estimate(&asked.call.size).typical;
        ledger::reserve(&incoming.env, &asked.grant, &plan, &reservation_id, tokens)
            .await
            .map(Some)
    };
    let (pin, granted) = futures::future::join(found, reserve).await;
    let granted = match granted {
        Ok(granted) => granted,
        Err(error) => {
            progress.explanation = Some(explanation);
            return Err(error);
        }
    };
    if let Some(pin) = &pin
        && let Ok(pinned) = self::plan(incoming, &asked, Some(pin), seed)
    {
        (plan, explanation) = pinned;
    }
    if let Some(granted) = &granted {
        isolate::set_remaining(&asked.grant.key.kid, granted.remaining(), clock::now());
        finishing::prune(incoming, &asked, &mut plan, granted)?;
    }
    let machine = machine(incoming, &asked, &plan);
    let books = finishing::Books::open(incoming, asked, &plan, explanation, pin, granted, reservation_id);
    progress.started = true;
    respond(incoming, machine, books).await
}

/// What a refused request would be answered, and why. Written from the types: a tree of JSON would read money as floats.
#[derive(Serialize)]
pub(super) struct Preview<'a> {
    pub(super) refused: ErrorObject<'a>,
    pub(super) status: u16,
    pub(super) explanation: &'a Explanation,
}

/// Answers with the explanation of a request: no upstream call, nothing recorded.
pub(super) async fn explain(incoming: &Incoming) -> Reply {
    let asked = read(incoming, CallKind::Chat, &mut Progress::default()).await?;
    let pin = match &asked.session {
        Some((key, _)) => pins::find(&incoming.env, &asked.world, asked.pin_scope(), key, &asked.call.model).await,
        None => None,
    };
    match plan(incoming, &asked, pin.as_ref(), EXPLAIN_SEED) {
        Ok((_, explanation)) => reply::json(200, &explanation),
        Err(refused) => {
            let error = refusal(&refused, clock::now());
            reply::json(
                200,
                &Preview {
                    refused: error.object(&incoming.request_id),
                    status: error.status,
                    explanation: &refused.explanation,
                },
            )
        }
    }
}

async fn read(incoming: &Incoming, kind: CallKind, progress: &mut Progress) -> Result<Asked, ApiError> {
    let world = world::current(incoming).await;
    progress.keep_days = world.catalog.settings.usage_days;
    let grant = callers::authenticate_noting(incoming, &world, &mut progress.key).await?;
    expect_json(incoming)?;
    let limit = world.catalog.settings.max_body_bytes;
    let body = incoming.body(limit).await?;
    let limits = Limits {
        max_body_bytes: limit,
        ..Limits::default()
    };
    let call = match kind {
        CallKind::Chat => chat::parse(body, &limits)?,
        CallKind::Embeddings => embeddings::parse(body, &limits)?,
    };
    let hint = headers::session(call.session.as_ref(), |name| incoming.header(name));
    let session = hint.map(|hint| {
        (
            session_key(&grant.key.kid, &hint.id),
            hint.source != SessionSource::Implicit,
        )
    });
    let call = Arc::new(call);
    progress.call = Some(Arc::clone(&call));
    progress.session = session.as_ref().map(|(key, _)| key.clone());
    Ok(Asked {
        world,
        grant,
        call,
        session,
    })
}

/// Clients that send forms by mistake (`curl -d` without a header) are told so.
fn expect_json(incoming: &Incoming) -> Result<(), ApiError> {
    let kind = incoming.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let media = kind.split(';').next().unwrap_or_default().trim();
    if media.is_empty() || media == "application/json" || media.ends_with("+json") {
        return Ok(());
    }
    Err(ApiError::new(
        "unsupported_media_type",
        "Send the body as JSON with `content-type: application/json`.",
    ))
}

/// Plans against the isolate's health.
fn plan(incoming: &Incoming, asked: &Asked, pin: Option<&Pin>, seed: u64) -> Result<(Plan, Explanation), Box<Refused>> {
    isolate::with_health(|health| {
        let world = crate::route::World {
            catalog: &asked.world.catalog,
            vault: &asked.world.vault,
            health,
            now: clock::now(),
            dry_run: config::is_dry_run(&incoming.env),
        };
        let hints = Hints {
            session: asked.session(),
            pin,
            seed,
            depth: incoming.depth,
        };
        crate::route::plan(&asked.call, &world, &asked.grant, &hints)
    })
}

/// A refusal as the caller sees it.
pub(super) fn refusal(refused: &Refused, now: crate::wire::Millis) -> ApiError {
    let error = &refused.error;
    let (_, code) = error.status_and_code();
    let answer = ApiError::new(code, error.to_string()).because(error.reason());
    let answer = match error.param() {
        Some(param) => answer.about(param),
        None => answer,
    };
    match error.retry_at() {
        Some(at) => answer.after(at.since(now)),
        None => answer,
    }
}

fn machine(incoming: &Incoming, asked: &Asked, plan: &Plan) -> Box<dyn Machine> {
    let now = clock::now();
    let (catalog, vault) = (Arc::clone(&asked.world.catalog), Arc::clone(&asked.world.vault));
    isolate::with_health(|health| -> Box<dyn Machine> {
        match &plan.shape {
            Shape::Chain(chain) => {
                let input = RunInput {
                    session: plan.session.clone(),
                    route: plan.route.clone(),
                    strategy: plan.strategy,
                    pinned: plan.pinned,
                    deadline: plan.deadline.map(|deadline| incoming.received_at.plus(deadline)),
                    ..run_input(
                        incoming,
                        &asked.world,
                        Arc::clone(&asked.call),
                        (**chain).clone(),
                        AnswerAs::Asked,
                        RunLimits::default(),
                    )
                };
                Box::new(Run::start(input, now, health))
            }
            Shape::Fusion(fusion) => {
                let input = FusionInput {
                    plan: (**fusion).clone(),
                    call: Arc::clone(&asked.call),
                    catalog,
                    vault,
                    request_id: incoming.request_id.clone(),
                    session: plan.session.clone(),
                    seed: clock::seed(),
                    as_test: false,
                };
                Box::new(Fusion::new(input, now, health))
            }
        }
    })
}

/// A run of one chain, on its own.
pub(super) fn run_input(
    incoming: &Incoming,
    world: &World,
    call: Arc<Call>,
    chain: Chain,
    answer: AnswerAs,
    limits: RunLimits,
) -> RunInput {
    RunInput {
        chain,
        call,
        catalog: Arc::clone(&world.catalog),
        vault: Arc::clone(&world.vault),
        request_id: incoming.request_id.clone(),
        session: None,
        route: None,
        strategy: "direct",
        pinned: false,
        deadline: None,
        seed: clock::seed(),
        first_call: CallId(0),
        answer,
        limits,
    }
}

/// Runs the machine until its response has a head, then hands the rest to the platform.
async fn respond(incoming: &Incoming, machine: Box<dyn Machine>, books: finishing::Books) -> Reply {
    let extra = books.headers();
    let books = books.keeping_content();
    let watch = books.watch();
    let mut shell = Shell::start(incoming.env.clone(), machine, watch, books.into_finalizer());
    let mut head = shell.head().await;
    head.headers.extend(extra);
    if head.stream {
        let body = futures::stream::unfold(shell, |mut shell| async move { Some((shell.next().await?, shell)) });
        return reply::stream(head.status, &head.headers, body);
    }
    let body = shell.next().await.unwrap_or_default();
    if let Some(cost) = shell.cost() {
        head.headers
            .push(("x-clawrouter-cost-usd".to_owned(), cost.to_string()));
    }
    reply::bytes(head.status, &head.headers, &body)
}
