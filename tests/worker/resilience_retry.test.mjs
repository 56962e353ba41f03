// Resilience on the real Worker: retry, fallback, what is a fault and whose, hints. Numbers are those of the case table.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { answerText } from "../upstream/index.mjs";
import { startRouter } from "./harness.mjs";
import { checkAnswer, closeStages, setStage } from "./stage.mjs";

let router;
before(async () => { router = await startRouter(); });
after(async () => {
  await closeStages();
  await router?.stop();
});

const short = answerText(20);
const json = { "content-type": "application/json" };
const error = (fixture) => ({ do: "error", fixture });
const limited = (headers) => ({ do: "error", status: 429, headers: { ...json, ...headers }, body: { error: { message: "Too many requests", type: "rate_limit_error" } } });
const ok = { do: "answer" };
// A shared machine: what must be "at once" gets this long.
const AT_ONCE_MS = 900;

// One row: name, setting, request options, expectation, and optionally what a second request on the same stage must show.
const CASES = [
  ["1 nothing is wrong", {}, {}, { content: short, primary: 1, fallback: 0, servedBy: "primary", headers: { "x-clawrouter-attempts": "1", "x-clawrouter-fallback-index": "0" } }],
  ["2 429 with Retry-After 2, once", { primary: [limited({ "retry-after": "2" }), ok] }, {}, { content: short, primary: 2, fallback: 0, minMs: 2000, maxMs: 3200 }],
  ["3 429 with Retry-After 30", { primary: error("openai/rate_limit_retry_after_30") }, {}, { content: short, primary: 1, fallback: 1, servedBy: "fallback", maxMs: AT_ONCE_MS, headers: { "x-clawrouter-fallback-index": "1" } }, { content: short, primary: 0, fallback: 1 }],
  ["9 500 and then 200", { primary: [error("openai/server_error"), ok] }, {}, { content: short, primary: 2, fallback: 0, servedBy: "primary" }],
  ["10, 11 503 for ever, and the next request", { primary: error("openai/engine_overloaded") }, {}, { content: short, primary: [1, 2], fallback: 1, servedBy: "fallback" }, { content: short, primary: 0, fallback: 1 }],
  ["16 reset before the headers, once", { primary: [{ do: "reset" }, ok] }, {}, { content: short, primary: 2, fallback: 0, maxMs: AT_ONCE_MS }],
  ["17 accepts and never answers", { primary: { do: "silence" } }, {}, { content: short, primary: 1, fallback: 1, minMs: 600, maxMs: 2200 }],
  ["31 context overflow, larger fallback", { primary: error("openai/context_length_exceeded"), model: { context_window: 8192 } }, {}, { content: short, primary: 1, fallback: 1 }],
  ["32 context overflow, smaller fallback", { primary: error("openai/context_length_exceeded"), model: { context_window: 128_000 }, fallbackModel: { context_window: 4096 } }, {}, { status: 400, code: "context_length_exceeded", primary: 1, fallback: 0 }],
  ["34 content policy", { primary: error("openai/content_policy_violation") }, {}, { status: 400, code: "content_policy_violation", primary: 1, fallback: 0 }],
  ["34 content policy, opted in", { primary: error("openai/content_policy_violation"), route: { fallback_on: { content_policy: true } } }, {}, { content: short, primary: 1, fallback: 1 }],
  ["34 content policy in Azure's words", { primary: error("others/azure_content_filter") }, {}, { status: 400, primary: 1, fallback: 0 }],
  ["35 the caller's mistake", { primary: [error("openai/invalid_messages"), ok] }, {}, { status: 400, code: "invalid_value", primary: 1, fallback: 0 }, { content: short, primary: 1, fallback: 0 }],
  ["35 the caller's mistake as 500", { primary: error("others/validation_error_as_500") }, {}, { status: [400, 500], primary: 1, fallback: 0 }],
  ["42 retry-after-ms wins over Retry-After", { primary: [limited({ "retry-after": "30", "retry-after-ms": "150" }), ok] }, {}, { content: short, primary: 2, fallback: 0, minMs: 250, maxMs: 1500 }],
  ["42 the hint is in the sentence", { primary: [error("openai/rate_limit_retry_in_milliseconds"), ok] }, {}, { content: short, primary: 2, fallback: 0, minMs: 640, maxMs: 2000 }],
  ["42 Retry-After as a date", { primary: [limited({ "retry-after": new Date(Date.now() + 600_000).toUTCString() }), ok] }, {}, { content: short, primary: 1, fallback: 1, maxMs: AT_ONCE_MS }],
  ["42 RetryInfo of Gemini", { primary: [error("gemini/rate_limit_retry_info"), ok] }, {}, { content: short, primary: 1, fallback: 1, maxMs: AT_ONCE_MS }],
  ["68 HTML with status 200", { primary: { do: "html" } }, {}, { content: short, primary: 2, fallback: 1 }],
  ["68 an error object with status 200", { primary: error("others/error_in_200") }, {}, { content: short, primary: [1, 2], fallback: 1 }],
  ["68 no choices", { primary: { do: "empty_choices" } }, {}, { content: short, primary: 2, fallback: 1 }],
  ["a redirect is an error", { primary: { do: "redirect", to: "http://127.0.0.1:9/" } }, {}, { content: short, primary: [1, 2], fallback: 1 }],
  ["a model that is gone", { primary: error("openai/model_decommissioned") }, {}, { content: short, primary: 1, fallback: 1 }, { content: short, primary: 0, fallback: 1 }],
  ["529 of Anthropic", { primary: error("anthropic/overloaded") }, {}, { content: short, primary: [1, 2], fallback: 1 }],
  ["a proxy's HTML 502", { primary: error("others/bare_502_html") }, {}, { content: short, primary: [1, 2], fallback: 1 }],
  ["both overloaded", { primary: error("openai/engine_overloaded"), fallback: error("openai/engine_overloaded") }, {}, { status: 503, code: "overloaded", primary: [1, 2], fallback: [1, 2] }],
  ["rate limit outranks overload", { primary: error("openai/rate_limit_retry_after_30"), fallback: error("openai/engine_overloaded") }, {}, { status: 429, code: "rate_limited", primary: 1 }],
  ["both silent", { primary: { do: "silence" }, fallback: { do: "silence" } }, {}, { status: 504, code: "upstream_timeout", primary: 1, fallback: 1, maxMs: 4000 }],
];

for (const stream of [false, true]) {
  describe(stream ? "streamed" : "whole", () => {
    for (const [name, setting, request, expect, again] of CASES) {
      test(name, async () => {
        const stage = await setStage(router, setting);
        try {
          checkAnswer(stage, await stage.ask({ stream, ...request }), expect);
          if (!again) return;
          stage.next();
          checkAnswer(stage, await stage.ask({ stream, ...request }), again);
        } finally {
          await stage.close();
        }
      });
    }
  });
}

test("31 an overflow cools nothing: a smaller request is served by the primary", async () => {
  const stage = await setStage(router, { primary: [error("openai/context_length_exceeded"), ok], model: { context_window: null } });
  const messages = [{ role: "user", content: "word ".repeat(7_200) }];
  checkAnswer(stage, await stage.ask({ body: { messages } }), { content: short, primary: 1, fallback: 1 });
  stage.next();
  checkAnswer(stage, await stage.ask(), { content: short, primary: 1, fallback: 0 });
  await stage.close();
});

test("36 an unsupported parameter is renamed, once, and remembered", async () => {
  const stage = await setStage(router, { primary: [error("openai/unsupported_parameter_max_tokens"), ok] });
  checkAnswer(stage, await stage.ask({ body: { max_tokens: 77 } }), { content: short, primary: 2, fallback: 0 });
  assert.deepEqual([stage.primary.calls[1].body.max_tokens, stage.primary.calls[1].body.max_completion_tokens], [undefined, 77]);
  stage.next();
  checkAnswer(stage, await stage.ask({ body: { max_tokens: 78 } }), { content: short, primary: 1 });
  assert.deepEqual([stage.primary.calls[0].body.max_tokens, stage.primary.calls[0].body.max_completion_tokens], [undefined, 78]);
  await stage.close();
});

test("71 a caller that leaves before the first content: upstream closed, nothing cooled, no fallback", async () => {
  const stage = await setStage(router, { primary: [{ do: "headers_then_silence", pings_ms: 40 }, ok], timeouts: { headers_ms: 5000, first_token_ms: 5000, stall_ms: 5000, total_ms: 20_000 } });
  const answer = await stage.ask({ stream: true, timeoutMs: 300 });
  assert.ok(answer.failed);
  await stage.primary.until((calls) => calls[0].closedByClientAt, 2000);
  assert.equal(stage.fallback.calls.length, 0);
  stage.next();
  checkAnswer(stage, await stage.ask(), { content: short, primary: 1, fallback: 0 });
  await stage.close();
});

describe("79 preferences that exclude everything make no call", () => {
  for (const [name, provider] of [["price", { max_price: { prompt: 0.01, completion: 0.01 } }], ["zero data retention", { zdr: true }], ["only", { only: ["nobody"] }]]) {
    test(name, async () => {
      const stage = await setStage(router);
      const answer = await stage.ask({ body: { provider } });
      assert.ok([400, 403, 404, 503].includes(answer.status), answer.text);
      assert.equal(stage.primary.calls.length + stage.fallback.calls.length, 0);
      await stage.close();
    });
  }

  test("ignore and allow_fallbacks narrow", async () => {
    const stage = await setStage(router, { primary: error("openai/engine_overloaded") });
    checkAnswer(stage, await stage.ask({ body: { provider: { allow_fallbacks: false } } }), { status: 503, fallback: 0 });
    await stage.close();
    const other = await setStage(router);
    checkAnswer(other, await other.ask({ body: { provider: { ignore: [other.provider] } } }), { content: short, primary: 0, fallback: 1 });
    await other.close();
  });
});

test("fallbacks named in the request are tried in order", async () => {
  const stage = await setStage(router, { primary: error("openai/rate_limit_retry_after_30") });
  const answer = await router.call("/v1/chat/completions", { model: stage.primaryModel, models: [stage.fallbackModel], messages: [{ role: "user", content: "hi" }] });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual([stage.primary.calls.length, stage.fallback.calls.length], [1, 1]);
  assert.equal(stage.fallback.calls[0].body.models, undefined);
  await stage.close();
});

test("an outage costs at most one extra attempt per window, and the primary returns", async () => {
  const stage = await setStage(router, { primary: [{ do: "outage", for_ms: 1500, during: error("openai/engine_overloaded") }, ok] });
  const startedAt = Date.now();
  let backAt = null;
  while (backAt === null && Date.now() - startedAt < 30_000) {
    const answer = await stage.ask();
    assert.equal(answer.status, 200, answer.text);
    if (answer.servedBy === "primary") backAt = Date.now() - startedAt;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(backAt !== null && backAt < 15_000, `back after ${backAt} ms`);
  // Cooldowns of 2, 4, 8 s: the first give-up may have been retried once, every later window costs one probe.
  assert.ok(stage.primary.calls.length <= 5, `${stage.primary.calls.length} primary calls`);
  await stage.close();
});
