//! Trying things for real: a model's verification call, and the checks of a local server before it is saved.

use super::{Admin, observe};
use crate::access::roles::Act;
use crate::account::usage::Source;
use crate::catalog::document::{Auth, Transport};
use crate::catalog::endpoint::{Endpoint, Rules, check};
use crate::catalog::{ProviderId, Secret};
use crate::edge::incoming::Incoming;
use crate::edge::reply::{self, Reply};
use crate::edge::shell::Shell;
use crate::edge::{clock, completions, config, discovery, finishing, isolate, ledger, listing, upstream};
use crate::route::{FailureClass, Hints, Shape, estimate};
use crate::run::engine::{AnswerAs, Limits as RunLimits, Run};
use crate::run::machine::{CallId, Machine, UpstreamRequest};
use crate::run::report::Report;
use crate::run::witness::{Said, Witness};
use crate::wire::time::rfc3339;
use crate::wire::{ApiError, Limits, Millis, chat};
use bytes::Bytes;
use futures::future::{Either, select};
use serde::Deserialize;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Output tokens of a verification: the least that every provider accepts.
const VERIFY_TOKENS: u64 = 16;

/// How long a trial answer may take; a server's first one may have to load a model.
const PATIENCE: Millis = Millis(20_000);

/// How long a local server's listing may take.
const LISTING_PATIENCE: Millis = Millis(5_000);

/// Bytes of an answer that a check reads.
const MAX_BYTES: usize = 256 * 1024;

/// `POST models/{id}/verify`: one real call with a few output tokens. The admin policy of the settings pays it like any request: reserved,
/// settled, with a row and a trace that say what it was.
pub(super) async fn verify(admin: &Admin<'_>, model: &str) -> Reply {
    admin.may(Act::Operate)?;
    let mut grant = observe::grant(admin, &admin.world.catalog.settings.admin_policy)?;
    Source::Verify.label().clone_into(&mut grant.key.label);
    let body = json!({"model": model, "max_tokens": VERIFY_TOKENS, "messages": [{"role": "user", "content": "Answer with the word ok."}]});
    let call = Arc::new(chat::parse(Bytes::from(body.to_string()), &Limits::default())?);
    let planned = listing::decide(admin.incoming, &admin.world, |world| {
        crate::route::plan(&call, world, &grant, &Hints::default())
    });
    let (mut plan, explanation) = planned.map_err(|refused| completions::refusal(&refused, clock::now()))?;
    if matches!(plan.shape, Shape::Fusion(_)) {
        return Err(ApiError::invalid_request(
            "Verify the models of a fusion one by one.",
            Some("model"),
        ));
    }
    let reservation = finishing::reservation_id();
    let granted = if ledger::must_reserve(&grant, &plan) {
        let tokens = estimate::estimate(&call.size).typical;
        Some(ledger::reserve(&admin.incoming.env, &grant, &plan, &reservation, tokens).await?)
    } else {
        None
    };
    let asked = completions::Asked {
        world: admin.world.clone(),
        grant,
        call: Arc::clone(&call),
        session: None,
    };
    if let Some(granted) = &granted {
        finishing::prune(admin.incoming, &asked, &mut plan, granted)?;
    }
    let Shape::Chain(chain) = plan.shape.clone() else {
        return Err(ApiError::internal("A chain became a fusion."));
    };
    let started = clock::now();
    let limits = RunLimits {
        total: Some(PATIENCE),
        ..RunLimits::default()
    };
    let answer = AnswerAs::Text { max_chars: 1_000 };
    let input = completions::run_input(admin.incoming, &admin.world, call, *chain, answer, limits);
    let run = isolate::with_health(|health| Run::start(input, started, health));
    let books = finishing::Books::open(admin.incoming, asked, &plan, explanation, None, granted, reservation);
    let (run, said) = Witness::of(run);
    let report = finished(admin.incoming, Box::new(run), books.of_test(Source::Verify)).await;
    let Said { answer, error } = said.take();
    let now = clock::now();
    let last = report.attempts.last();
    let ok = report.served.is_some();
    let class = last.and_then(|attempt| attempt.class).map(FailureClass::as_str);
    reply::json(
        200,
        &json!({"model": model, "ok": ok, "latency_ms": now.since(started).0, "status": last.and_then(|attempt| attempt.status),
            "class": class, "message": class.map(|class| format!("The call failed: {class}.")), "verified_at": ok.then(|| rfc3339(now)),
            "answer": answer.filter(|_| ok), "upstream": error.filter(|_| !ok), "request_id": admin.incoming.request_id}),
    )
}

/// Runs a machine to its end, closes its books and takes its report.
async fn finished(incoming: &Incoming, machine: Box<dyn Machine>, books: finishing::Books) -> Report {
    let report = Rc::new(RefCell::new(Report::default()));
    let kept = Rc::clone(&report);
    let watch = books.watch();
    let close = books.into_finalizer();
    let finalizer = Box::new(move |machine: &dyn Machine| {
        kept.replace(machine.report().clone());
        close(machine)
    });
    let mut shell = Shell::start(incoming.env.clone(), machine, watch, finalizer);
    while shell.next().await.is_some() {}
    report.take()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    transport: Option<Transport>,
    #[serde(default)]
    auth: Option<Auth>,
    #[serde(default)]
    token: Option<String>,
}

/// `POST local/discover`: checks an address in order and lists its models. A failed check is an answer, not an error.
pub(super) async fn discover(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Operate)?;
    let asked: Asked = admin.body().await?;
    if let (None, Some(provider)) = (&asked.base_url, &asked.provider) {
        return known(admin, provider).await;
    }
    let base_url = asked
        .base_url
        .ok_or_else(|| ApiError::invalid_request("Name the server's address in `base_url`.", Some("base_url")))?;
    let presented = presented(admin, asked.auth.as_ref(), asked.token.as_deref())?;
    let transport = asked.transport.unwrap_or_default();
    let prefix = asked.provider.unwrap_or_else(|| "local".to_owned());
    let rules = Rules {
        local: admin.world.vault.local,
        binding: matches!(transport, Transport::Binding { .. }),
        credential: !presented.is_empty(),
        allowed_hosts: &[],
    };
    let mut checks = Vec::new();
    let endpoint = match check(&base_url, rules) {
        Ok(endpoint) => endpoint,
        Err(refusal) => {
            checks.push(row("address", Some(false), &format!("{refusal}."), Millis(0)));
            return reply::json(
                200,
                &json!({"ok": false, "base_url": base_url, "checks": checks, "models": []}),
            );
        }
    };
    checks.push(row("address", Some(true), "The address may be called.", Millis(0)));
    let server = Server {
        incoming: admin.incoming,
        endpoint,
        transport,
        presented,
    };
    let models = server.examine(&mut checks).await;
    let ok = checks.iter().all(|check| check["ok"] != false);
    let models: Vec<Value> = models
        .iter()
        .map(|name| json!({"id": format!("{prefix}/{name}"), "upstream": name}))
        .collect();
    reply::json(
        200,
        &json!({"ok": ok, "base_url": base_url, "checks": checks, "models": models}),
    )
}

/// The headers that the server is shown. Whoever names a Worker secret here sends it to the address, so that takes the right to
/// save providers.
fn presented(admin: &Admin<'_>, auth: Option<&Auth>, token: Option<&str>) -> Result<Vec<(String, Secret)>, ApiError> {
    let mut headers = Vec::new();
    match (auth, token) {
        (Some(Auth::Header { name }), Some(token)) => headers.push((name.to_ascii_lowercase(), Secret::new(token))),
        (_, Some(token)) => headers.push(("authorization".to_owned(), Secret::new(format!("Bearer {token}")))),
        (_, None) => {}
    }
    if let Some(Auth::AccessServiceToken {
        id_secret,
        secret_secret,
    }) = auth
    {
        admin.may(Act::WriteDocuments)?;
        for (header, name) in [
            ("cf-access-client-id", id_secret),
            ("cf-access-client-secret", secret_secret),
        ] {
            let value = config::variable(&admin.incoming.env, name).ok_or_else(|| {
                let todo = format!("The Worker has no secret {name}; set it with `npx wrangler secret put {name}`.");
                ApiError::invalid_request(todo, Some("auth"))
            })?;
            headers.push((header.to_owned(), Secret::new(value)));
        }
    }
    Ok(headers)
}

/// The models of a provider that is saved already.
async fn known(admin: &Admin<'_>, provider: &str) -> Reply {
    let unknown = || ApiError::not_found(format!("There is no provider {provider}."));
    let id = ProviderId::parse(provider).map_err(|_| unknown())?;
    let document = admin.world.catalog.providers.get(&id).cloned().ok_or_else(unknown)?;
    let started = clock::now();
    let found = discovery::fetch(&admin.incoming.env, &admin.world, &document).await;
    let ms = clock::now().since(started);
    let check = match &found {
        Ok(models) => row("models", Some(true), &format!("Models: {}.", models.len()), ms),
        Err(problem) => row(
            "models",
            Some(false),
            &format!("The listing could not be read: {problem}."),
            ms,
        ),
    };
    let models: Vec<Value> = found
        .iter()
        .flatten()
        .map(|name| json!({"id": format!("{provider}/{name}"), "upstream": name}))
        .collect();
    reply::json(
        200,
        &json!({"ok": found.is_ok(), "base_url": document.base_url, "checks": [check], "models": models}),
    )
}

struct Server<'a> {
    incoming: &'a Incoming,
    endpoint: Endpoint,
    transport: Transport,
    presented: Vec<(String, Secret)>,
}

impl Server<'_> {
    async fn examine(&self, checks: &mut Vec<Value>) -> Vec<String> {
        if !self.presented.is_empty() {
            let started = clock::now();
            let answer = self.exchange("/v1/models", Bytes::new(), false, LISTING_PATIENCE).await;
            let open = matches!(answer, Ok((200, _)));
            let text = if open {
                "The server answered without a credential: anyone who reaches it can use it. Protect it, then check again."
            } else {
                "Without the credential the server refuses."
            };
            checks.push(row("auth_required", Some(!open), text, clock::now().since(started)));
        }
        let started = clock::now();
        let listed = discovery::get(
            &self.incoming.env,
            &self.request("/v1/models", Bytes::new(), true),
            LISTING_PATIENCE,
        )
        .await;
        let ms = clock::now().since(started);
        let models = match listed {
            Ok(models) => models,
            Err(problem) => {
                checks.push(row(
                    "models",
                    Some(false),
                    &format!("The listing could not be read: {problem}."),
                    ms,
                ));
                return Vec::new();
            }
        };
        checks.push(row("models", Some(true), &format!("Models: {}.", models.len()), ms));
        let Some(first) = models.first() else { return models };
        for (id, stream) in [("chat", false), ("stream", true)] {
            checks.push(self.try_chat(id, first, stream).await);
        }
        models
    }

    async fn try_chat(&self, id: &str, model: &str, stream: bool) -> Value {
        let body = json!({"model": model, "max_tokens": VERIFY_TOKENS, "stream": stream, "messages": [{"role": "user", "content": "Answer with the word ok."}]});
        let started = clock::now();
        let answer = self
            .exchange("/v1/chat/completions", Bytes::from(body.to_string()), true, PATIENCE)
            .await;
        let ms = clock::now().since(started);
        match answer {
            Ok((200, body)) => {
                let needle: &[u8] = if stream { b"data:" } else { b"\"choices\"" };
                let fine = body.windows(needle.len()).any(|window| window == needle);
                let text = if fine {
                    format!("{model} answered.")
                } else {
                    format!("{model} answered with something else than an OpenAI answer.")
                };
                row(id, Some(fine), &text, ms)
            }
            Ok((status, _)) => row(id, Some(false), &format!("{model} answered with status {status}."), ms),
            Err(problem) => row(id, Some(false), &format!("{model}: {problem}."), ms),
        }
    }

    async fn exchange(
        &self,
        path: &str,
        body: Bytes,
        with_token: bool,
        patience: Millis,
    ) -> Result<(u16, Bytes), String> {
        let request = self.request(path, body, with_token);
        let (_socket, answer) =
            upstream::open(&self.incoming.env, &request).map_err(|_| "the address was refused".to_owned())?;
        let read = async {
            let answer = answer.await.map_err(|fault| format!("no answer ({fault:?})"))?;
            let status = answer.status;
            Ok((status, discovery::body_of(answer, MAX_BYTES).await?))
        };
        match select(std::pin::pin!(read), std::pin::pin!(clock::sleep(patience))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(format!("no answer within {} s", patience.0 / 1_000)),
        }
    }

    fn request(&self, path: &str, body: Bytes, with_token: bool) -> UpstreamRequest {
        let mut headers = vec![("content-type".to_owned(), Secret::new("application/json"))];
        if with_token {
            headers.extend(self.presented.iter().cloned());
        }
        UpstreamRequest {
            call: CallId(0),
            transport: self.transport.clone(),
            url: Secret::new(self.endpoint.join(path)),
            headers,
            body,
        }
    }
}

fn row(id: &str, ok: Option<bool>, text: &str, ms: Millis) -> Value {
    json!({"id": id, "ok": ok, "text": text, "ms": ms.0})
}
