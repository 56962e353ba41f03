//! `POST fusion-profiles/{id}/test`: a test prompt on a draft, streamed step by step to the person who asked.

use super::{Admin, fusion, observe};
use crate::access::roles::Act;
use crate::account::usage::Source;
use crate::edge::reply::{self, Reply};
use crate::edge::shell::Shell;
use crate::edge::{clock, completions, finishing, isolate, ledger, listing};
use crate::route::{Hints, Shape, fusion_model};
use crate::run::fusion::input::FusionInput;
use crate::run::fusion::test_prompt::{TestPrompt, TestPromptInput};
use crate::wire::json::RawJson;
use crate::wire::{ApiError, Call, Limits, chat};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Characters of a test prompt.
const MAX_PROMPT: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    prompt: String,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    draft: Option<RawJson>,
    #[serde(default)]
    baseline: bool,
}

pub(super) async fn serve(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::Operate)?;
    let asked: Asked = admin.body().await?;
    let call = Arc::new(call_of(id, &asked.prompt)?);
    let draft = fusion::profile(admin, id, asked.draft).await?;
    let policy = asked
        .policy
        .unwrap_or_else(|| admin.world.catalog.settings.admin_policy.clone());
    let mut grant = observe::grant(admin, &policy)?;
    Source::TestPrompt.label().clone_into(&mut grant.key.label);
    let world = fusion::with_draft(admin, &draft);
    let planned = listing::decide(admin.incoming, &world, |world| {
        crate::route::plan(&call, world, &grant, &Hints::default())
    });
    let (mut plan, explanation) = planned.map_err(|refused| completions::refusal(&refused, clock::now()))?;
    if asked.baseline {
        plan.add_baseline();
    }
    let reservation = finishing::reservation_id();
    let granted = if ledger::must_reserve(&grant, &plan) {
        Some(ledger::reserve(&admin.incoming.env, &grant, &plan, &reservation, 0).await?)
    } else {
        None
    };
    let asked_for = completions::Asked {
        world,
        grant,
        call,
        session: None,
    };
    if let Some(granted) = &granted {
        finishing::prune(admin.incoming, &asked_for, &mut plan, granted)?;
    }
    let Shape::Fusion(fusion_plan) = plan.shape.clone() else {
        return Err(ApiError::internal("A fusion was planned as something else."));
    };
    let input = TestPromptInput {
        reserved: plan.worst_case,
        baseline: asked.baseline,
        fusion: FusionInput {
            plan: *fusion_plan,
            call: Arc::clone(&asked_for.call),
            catalog: Arc::clone(&asked_for.world.catalog),
            vault: Arc::clone(&asked_for.world.vault),
            request_id: admin.incoming.request_id.clone(),
            session: None,
            seed: clock::seed(),
            as_test: true,
        },
    };
    let machine = isolate::with_health(|health| TestPrompt::new(input, clock::now(), health));
    let books = finishing::Books::open(
        admin.incoming,
        asked_for,
        &plan,
        explanation,
        None,
        granted,
        reservation,
    )
    .of_test(Source::TestPrompt);
    let watch = books.watch();
    let mut shell = Shell::start(
        admin.incoming.env.clone(),
        Box::new(machine),
        watch,
        books.into_finalizer(),
    );
    let head = shell.head().await;
    let body = futures::stream::unfold(shell, |mut shell| async move { Some((shell.next().await?, shell)) });
    reply::stream(head.status, &head.headers, body)
}

/// The prompt as a caller would send it.
fn call_of(id: &str, prompt: &str) -> Result<Call, ApiError> {
    if prompt.trim().is_empty() || prompt.chars().count() > MAX_PROMPT {
        return Err(ApiError::invalid_request(
            format!("A test prompt has 1 to {MAX_PROMPT} characters."),
            Some("prompt"),
        ));
    }
    let body = json!({"model": fusion_model(id), "messages": [{"role": "user", "content": prompt}], "stream": true});
    Ok(chat::parse(Bytes::from(body.to_string()), &Limits::default())?)
}
