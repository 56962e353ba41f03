//! How a run ends without an answer: which error the caller sees, and how it is told.

use super::failure::{Failed, Original};
use super::{AnswerAs, Run};
use crate::route::health::{FailureClass, Health};
use crate::route::select;
use crate::run::headers;
use crate::run::machine::{Action, ResponseHead};
use crate::run::policy::{Exhausted, row_of};
use crate::run::report::{Attempt, Outcome};
use crate::wire::{ApiError, AttemptSummary, Millis};
use bytes::Bytes;
use serde_json::Value;

impl Run {
    /// Nothing is left to try.
    pub(super) fn exhausted(&mut self, now: Millis, health: &mut Health) {
        let decisive = self.failures.iter().min_by_key(|failed| rank(failed)).cloned();
        if let Some(Failed {
            class,
            original: Some(original),
            ..
        }) = &decisive
        {
            return self.end_with_original(*class, original, now);
        }
        match decisive {
            Some(failed) => {
                let error = self.error_of(row_of(failed.class).exhausted, now, health);
                self.end_with(Some(failed.class), error, now);
            }
            None => self.end_without_call(now, health),
        }
    }

    /// The request's own deadline has passed.
    pub(super) fn out_of_time(&mut self, now: Millis, health: &mut Health) {
        if self.delivery.complete {
            self.close_drained();
            return self.drained(now);
        }
        for leg in &self.legs {
            if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
                attempt.class = Some(FailureClass::HeadersTimeout);
            }
        }
        self.cancel_all(now, health);
        if self.delivery.begun() {
            return self.fail_in_stream(
                "upstream_timeout",
                "The request's deadline passed before the answer was complete.",
                now,
            );
        }
        let message = "No upstream answered within the request's deadline; try again or allow more time.";
        self.end_with(
            Some(FailureClass::HeadersTimeout),
            ApiError::new("upstream_timeout", message),
            now,
        );
    }

    fn error_of(&self, exhausted: Exhausted, now: Millis, health: &Health) -> ApiError {
        let (code, message) = match exhausted {
            Exhausted::Unchanged => (
                "invalid_request",
                "The upstream refused the request; check its parameters.",
            ),
            Exhausted::ContentPolicy => (
                "invalid_request",
                "The upstream's content policy refused the request; change the prompt.",
            ),
            Exhausted::ContextTier => (
                "context_tier_unavailable",
                "The request is longer than the upstream credentials allow; shorten it or lower the output limit.",
            ),
            Exhausted::RateLimited => (
                "rate_limited",
                "Every upstream that may serve this request is rate limited; try again after the time in Retry-After.",
            ),
            Exhausted::NotFound => (
                "model_not_found",
                "No upstream serves this model now; name another one.",
            ),
            Exhausted::Overloaded => (
                "overloaded",
                "The upstream is overloaded; try again after the time in Retry-After.",
            ),
            Exhausted::Timeout => ("upstream_timeout", "The upstream did not answer in time; try again."),
            Exhausted::Credentials => (
                "upstream_credentials_exhausted",
                "None of the router's credentials for this model works; its administrator can see why on the admin page.",
            ),
            Exhausted::Upstream => ("upstream_error", "The upstream failed to answer; try again."),
        };
        // What left other models out is told, or the caller would look for a fallback that did not work.
        let keeps = self
            .input
            .chain
            .tool_loop
            .as_ref()
            .filter(|tool_loop| !tool_loop.may_swap);
        let error = match keeps {
            Some(tool_loop) => ApiError::new(
                code,
                format!("{message} The route keeps this tool loop with {}.", tool_loop.model.id),
            ),
            None => ApiError::new(code, message),
        };
        if matches!(error.status, 429 | 503) {
            error.after(self.next_at(now, health).map_or(Millis(1_000), |at| at.since(now)))
        } else {
            error
        }
    }

    /// No call was sent at all: every target is cooling, dead or not callable.
    fn end_without_call(&mut self, now: Millis, health: &Health) {
        let classes = self.passed_over.iter().filter_map(|passed| passed.class);
        match classes.min_by_key(|class| row_of(*class).exhausted) {
            // The request was refused for its length by what was learned, not by an upstream's words.
            Some(FailureClass::ContextOverflow | FailureClass::LongContext429) => {
                let error = self.error_of(Exhausted::ContextTier, now, health);
                self.end_with(Some(FailureClass::LongContext429), error, now);
            }
            Some(class) => self.end_with(Some(class), self.error_of(row_of(class).exhausted, now, health), now),
            None => {
                let message = "No target of this model can be called now; ask the router's administrator.";
                let error = ApiError::new("no_executable_target", message);
                self.end_with(None, error, now);
            }
        }
    }

    /// When the first of the targets may be usable again.
    fn next_at(&self, now: Millis, health: &Health) -> Option<Millis> {
        let told = self.failures.iter().map(|failed| failed.next_at);
        let known = self.passed_over.iter().map(|passed| passed.next_at);
        let soonest = told.chain(known).flatten().filter(|at| *at > now).min();
        // Nobody named a time: what health will allow first.
        soonest.or_else(|| {
            let nobody = std::collections::BTreeSet::new();
            let usable_at = self.candidates.iter().filter_map(|candidate| {
                let gate = health
                    .target_gate(&candidate.target.model.id, &candidate.host, now)
                    .until();
                let want = self.want(candidate, &nobody, false, 0, now);
                let pool = select::availability(&self.input.vault, health, &want)
                    .err()
                    .and_then(|none| none.next_at);
                gate.max(pool)
            });
            usable_at.filter(|at| *at > now).min()
        })
    }

    fn end_with_original(&mut self, class: FailureClass, original: &Original, now: Millis) {
        // A caller's mistake is a 4xx whatever the upstream called it, and never looks like a matter of the caller's key.
        let status = if (400..500).contains(&original.status) && !matches!(original.status, 401..=403) {
            original.status
        } else {
            400
        };
        // Anything that a browser would render is shown as text, and so is JSON that is none (it may have been too long to keep).
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&original.body).is_ok();
        let content_type = original
            .content_type
            .clone()
            .filter(|kind| (is_json && kind.starts_with("application/json")) || kind.starts_with("text/plain"))
            .unwrap_or_else(|| "text/plain; charset=utf-8".to_owned());
        let body = self.scrubbed(&original.body);
        self.report.error_code = error_code(&original.body);
        let headers = vec![("content-type".to_owned(), content_type)];
        self.fail(status, Some(class), headers, body, now);
    }

    fn end_with(&mut self, class: Option<FailureClass>, mut error: ApiError, now: Millis) {
        error.reason = class.map(|class| class.as_str().to_owned());
        error.attempts = self.attempts();
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(
            error
                .retry_after_seconds()
                .map(|seconds| ("retry-after".to_owned(), seconds.to_string())),
        );
        self.report.next_at = error.retry_after.map(|wait| now.plus(wait));
        let body = Bytes::from(error.to_json(&self.input.request_id));
        self.report.error_code = Some(error.code);
        self.fail(error.status, class, headers, body, now);
    }

    fn fail(
        &mut self,
        status: u16,
        class: Option<FailureClass>,
        mut headers: Vec<(String, String)>,
        body: Bytes,
        now: Millis,
    ) {
        self.report.status = status;
        self.report.error_class = class;
        if self.input.answer == AnswerAs::Asked {
            headers.extend(headers::of_failure(&self.input, &self.report, now));
            self.outbox.push_back(Action::Start(ResponseHead {
                status,
                headers,
                stream: false,
            }));
            self.outbox.push_back(Action::Emit(body));
        }
        self.end(Outcome::Failed, now);
    }

    /// Classes and times of every call, for the error body. No upstream text.
    fn attempts(&self) -> Vec<AttemptSummary> {
        let summary = |attempt: &Attempt| AttemptSummary {
            target: attempt.model.as_str().to_owned(),
            class: attempt
                .class
                .map_or(attempt.action.as_str(), FailureClass::as_str)
                .to_owned(),
            status: attempt.status,
            ms: attempt.ended.unwrap_or(attempt.started).since(attempt.started).0,
        };
        self.report.attempts.iter().map(summary).collect()
    }

    /// Upstream text without any of our secrets.
    fn scrubbed(&self, body: &Bytes) -> Bytes {
        /// Shorter values are words, not secrets.
        const SHORTEST: usize = 8;
        let credentials = self
            .input
            .vault
            .pools
            .values()
            .flatten()
            .map(|credential| credential.secret.expose());
        let variables = self.input.vault.variables.values().map(crate::catalog::Secret::expose);
        let mut text: Option<String> = None;
        for secret in credentials.chain(variables).filter(|secret| secret.len() >= SHORTEST) {
            let current = text.as_ref().map_or(body.as_ref(), String::as_bytes);
            if current.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                text = Some(String::from_utf8_lossy(current).replace(secret, "[redacted]"));
            }
        }
        text.map_or_else(|| body.clone(), Bytes::from)
    }
}

/// Which of many failures the caller sees: the one of the smallest rank, of equals the first.
fn rank(failed: &Failed) -> Exhausted {
    row_of(failed.class).exhausted
}

fn error_code(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value
        .get("error")?
        .get("code")?
        .as_str()
        .map(|code| code.chars().take(64).collect())
}
