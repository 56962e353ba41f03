// Resilience on the real Worker: long-context limits and tiers. Numbers are those of the case table.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
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
const ok = { do: "answer" };
const error = (fixture) => ({ do: "error", fixture });
const BETA = "context-1m-2025-08-07";
const variants = [{ max_input: 1_000_000, add_header: { "anthropic-beta": BETA } }, { max_input: 200_000 }];
const longContext = { context_window: 1_000_000, context_variants: variants };
/** A user message of about so many tokens. */
const about = (tokens) => ({ messages: [{ role: "user", content: "word ".repeat(Math.round((tokens * 3.6) / 5)) }] });

test("45 too large for the key's limit: less output is asked for, on the same key", async () => {
  const stage = await setStage(router, { keys: [1, 2], primary: [error("openai/request_too_large_for_tier"), ok], model: { max_output_tokens: 64_000 } });
  checkAnswer(stage, await stage.ask({ body: { ...about(25_000), max_tokens: 32_000 } }), { content: short, keys: [1, 1], fallback: 0 });
  const [first, second] = stage.primary.calls.map((call) => call.body.max_tokens);
  assert.equal(first, 32_000);
  assert.ok(second >= 1024 && second < 32_000, `max_tokens ${second}`);
  await stage.close();
});

test("47 long context not paid for: the tier's header goes, the key stays, nothing cools", async () => {
  const stage = await setStage(router, { keys: [1, 2], primary: [error("anthropic/long_context_extra_usage"), ok], model: longContext });
  const answer = await stage.ask({ body: about(150_000) });
  checkAnswer(stage, answer, { content: short, keys: [1, 1], fallback: 0, headers: { "x-clawrouter-context-tier": "1000000>200000" } });
  assert.deepEqual(stage.primary.calls.map((call) => call.headers["anthropic-beta"]), [BETA, undefined]);
  stage.next();
  checkAnswer(stage, await stage.ask(), { content: short, keys: [1], fallback: 0 });
  await stage.close();
});

test("48 too long for the lower tier: no identical re-send, on to the next", async () => {
  const stage = await setStage(router, { keys: [1], primary: error("anthropic/long_context_extra_usage"), model: longContext, fallbackModel: { context_window: 1_000_000 } });
  checkAnswer(stage, await stage.ask({ body: about(400_000) }), { content: short, keys: [1], fallback: 1 });
  stage.next({ primary: ok });
  checkAnswer(stage, await stage.ask(), { content: short, keys: [1], fallback: 0 });
  await stage.close();
});

test("48 learned: the next long request skips the key without a call, a short one does not", async () => {
  const stage = await setStage(router, { keys: [1], primary: [error("openai/request_too_large_for_tier"), ok], fallbackModel: { context_window: 1_000_000 } });
  checkAnswer(stage, await stage.ask({ body: about(60_000) }), { content: short, primary: 1, fallback: 1 });
  stage.next();
  checkAnswer(stage, await stage.ask({ body: about(60_000) }), { content: short, primary: 0, fallback: 1 });
  stage.next();
  checkAnswer(stage, await stage.ask(), { content: short, primary: 1, fallback: 0 });
  await stage.close();
});

test("52 a small request with a plain 429 keeps its tier", async () => {
  const stage = await setStage(router, { primary: error("openai/rate_limit_retry_after_30"), model: longContext });
  const answer = await stage.ask();
  checkAnswer(stage, answer, { content: short, primary: 1, fallback: 1 });
  assert.equal(answer.headers["x-clawrouter-context-tier"], undefined);
  await stage.close();
});

test("the same words on a small request are a passing rate limit", async () => {
  const stage = await setStage(router, { keys: [1, 2], primary: [error("anthropic/long_context_extra_usage"), ok] });
  checkAnswer(stage, await stage.ask({ body: about(2_000) }), { content: short, fallback: 0 });
  await stage.close();
});

test("Groq's 413 is the same thing", async () => {
  const stage = await setStage(router, { keys: [1], primary: error("others/groq_request_too_large") });
  checkAnswer(stage, await stage.ask({ body: about(9_000) }), { content: short, primary: [1, 2], fallback: 1 });
  stage.next({ primary: ok });
  checkAnswer(stage, await stage.ask(), { content: short, primary: 1, fallback: 0 });
  await stage.close();
});

test("a request that fits no target's window makes no call", async () => {
  const stage = await setStage(router, { model: { context_window: 8_000 }, fallbackModel: { context_window: 16_000 } });
  const answer = await stage.ask({ body: about(60_000) });
  assert.ok([400, 404, 413, 503].includes(answer.status), answer.text);
  assert.equal(stage.primary.calls.length + stage.fallback.calls.length, 0);
  await stage.close();
});

test("a request that fits only the fallback goes there without trying the primary", async () => {
  const stage = await setStage(router, { model: { context_window: 8_000 }, fallbackModel: { context_window: 200_000 } });
  checkAnswer(stage, await stage.ask({ body: about(60_000) }), { content: short, primary: 0, fallback: 1 });
  await stage.close();
});
