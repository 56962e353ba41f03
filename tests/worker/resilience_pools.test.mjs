// Resilience on the real Worker: several credentials. Numbers are those of the case table.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { answerText } from "../upstream/index.mjs";
import { chat } from "./documents.mjs";
import { secretName, secretValue, startRouter } from "./harness.mjs";
import { checkAnswer, closeStages, setStage } from "./stage.mjs";

const DISCOVERED = { DISCOVERED_API_KEY: "sk-d-active", DISCOVERED_API_KEYS: "sk-d-active, sk-d-list-2\nsk-d-list-3", DISCOVERED_API_KEY_2: "sk-d-two", DISCOVERED_API_KEY_10: "sk-d-ten", DISCOVERED_API_KEY_POOL: "sk-d-pool" };

let router;
before(async () => { router = await startRouter({ vars: DISCOVERED }); });
after(async () => {
  await closeStages();
  await router?.stop();
});

const short = answerText(20);
const error = (fixture) => ({ do: "error", fixture });
const ok = { do: "answer" };
const AT_ONCE_MS = 900;
/** A script in which some keys fail and all others answer. */
const failing = (fixture, ...keys) => ({ rules: keys.map((key) => ({ when: { credential: secretValue(key) }, acts: error(fixture) })) });
const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

const CASES = [
  ["4 429 on the first key", { keys: [1, 2], primary: failing("openai/rate_limit_retry_after_600", 1) }, { content: short, keys: [1, 2], fallback: 0, maxMs: AT_ONCE_MS }, { content: short, keys: [2], fallback: 0 }],
  ["5 nine revoked keys, six attempts allowed", { keys: upTo(10), primary: failing("openai/invalid_api_key", ...upTo(9)), route: { retry: { max_attempts: 6 } } }, { content: short, keys: upTo(10), fallback: 0 }, { content: short, keys: [10] }],
  ["6 both revoked, fallback", { keys: [1, 2], primary: failing("openai/invalid_api_key", 1, 2) }, { content: short, keys: [1, 2], fallback: 1 }, { content: short, primary: 0, fallback: 1 }],
  ["7 both revoked, no fallback", { keys: [1, 2], primary: failing("openai/invalid_api_key", 1, 2), fallback: null }, { status: 502, code: "upstream_credentials_exhausted", keys: [1, 2] }],
  ["37 Gemini's wrong key", { keys: [1, 2], primary: failing("gemini/api_key_not_valid", 1) }, { content: short, keys: [1, 2], fallback: 0 }, { content: short, keys: [2] }],
  ["37 expired security token", { keys: [1, 2], primary: failing("others/bedrock_security_token_expired", 1) }, { content: short, keys: [1, 2], fallback: 0 }],
  ["38 insufficient_quota", { keys: [1, 2], primary: failing("openai/insufficient_quota", 1) }, { content: short, keys: [1, 2], fallback: 0, maxMs: AT_ONCE_MS }, { content: short, keys: [2] }],
  ["38 credit balance behind a 400", { keys: [1, 2], primary: failing("anthropic/credit_balance", 1) }, { content: short, keys: [1, 2], fallback: 0 }, { content: short, keys: [2] }],
  ["40 spending limit behind a 403", { keys: [1, 2], primary: failing("openai/spending_limit", 1) }, { content: short, keys: [1, 2], fallback: 0 }, { content: short, keys: [2] }],
  ["40 402 of a relay", { keys: [1, 2], primary: failing("others/openrouter_credits", 1) }, { content: short, keys: [1, 2], fallback: 0 }, { content: short, keys: [2] }],
  ["a day's quota", { keys: [1, 2], primary: failing("gemini/quota_per_day", 1) }, { content: short, keys: [1, 2], fallback: 0 }, { content: short, keys: [2] }],
  ["44 overload said as 429: no rotation", { keys: [1, 2], primary: error("openai/overloaded_as_429") }, { content: short, primary: [1, 2], fallback: 1 }],
  ["a relay's own upstream is limited: no rotation", { keys: [1, 2], primary: error("others/openrouter_upstream_rate_limit") }, { content: short, keys: [1], fallback: 1 }],
  ["69 model unknown to the first key", { keys: [1, 2], primary: failing("openai/model_not_found", 1) }, { content: short, keys: [1, 2], fallback: 0 }, { content: short, keys: [2] }],
  ["69 model unknown to every key", { keys: [1, 2], primary: error("openai/model_not_found"), fallback: null }, { status: 404, keys: [1, 2] }],
  ["403 without billing words: this key may not", { keys: [1, 2], primary: failing("anthropic/permission", 1) }, { content: short, keys: [1, 2], fallback: 0 }],
  ["64 every key out of money: no call at all", { keys: [1, 2], primary: error("openai/insufficient_quota"), fallback: null }, { status: 502, code: "upstream_credentials_exhausted", keys: [1, 2] }, { status: 502, code: "upstream_credentials_exhausted", primary: [0, 1] }],
];

for (const stream of [false, true]) {
  describe(stream ? "streamed" : "whole", () => {
    for (const [name, setting, expect, again] of CASES) {
      test(name, async () => {
        const stage = await setStage(router, setting);
        try {
          checkAnswer(stage, await stage.ask({ stream }), expect);
          if (!again) return;
          stage.next();
          checkAnswer(stage, await stage.ask({ stream }), again);
        } finally {
          await stage.close();
        }
      });
    }
  });
}

test("44 which key: overload never moves to another one", async () => {
  const stage = await setStage(router, { keys: [1, 2], primary: error("openai/overloaded_as_429") });
  await stage.ask();
  assert.deepEqual([...new Set(stage.keysUsed())], [1]);
  await stage.close();
});

test("53 discovery: order, list secrets, numbers, no doubles", async () => {
  const stage = await setStage(router, { pool: { keys: [], discover: "DISCOVERED_API_KEY" }, primary: error("openai/invalid_api_key"), fallback: null });
  await stage.ask();
  assert.deepEqual(stage.primary.calls.map((call) => call.credential), ["sk-d-active", "sk-d-list-2", "sk-d-list-3", "sk-d-pool", "sk-d-two", "sk-d-ten"]);
  await stage.close();
});

describe("55 least_used", () => {
  test("two requests one after the other", async () => {
    const stage = await setStage(router, { keys: [1, 2], pool: { strategy: "least_used" } });
    await stage.ask();
    await stage.ask();
    assert.deepEqual(stage.keysUsed().toSorted(), [1, 2]);
    await stage.close();
  });
  test("ten at once", async () => {
    const stage = await setStage(router, { keys: [1, 2], pool: { strategy: "least_used" }, primary: { do: "answer", head_ms: 200 } });
    await Promise.all(Array.from({ length: 10 }, () => stage.ask()));
    assert.deepEqual(stage.keysUsed().toSorted((left, right) => left - right), [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    await stage.close();
  });
});

test("round_robin takes turns, by weight", async () => {
  const keys = [{ label: "a", secret: secretName(1), weight: 2 }, { label: "b", secret: secretName(2), weight: 1 }];
  const stage = await setStage(router, { pool: { strategy: "round_robin", keys } });
  for (let index = 0; index < 9; index += 1) await stage.ask();
  assert.deepEqual(stage.keysUsed().toSorted(), [1, 1, 1, 1, 1, 1, 2, 2, 2]);
  await stage.close();
});

test("most_remaining reads what successes leave", async () => {
  const leaves = (key, left) => ({ when: { credential: secretValue(key) }, acts: { do: "answer", headers: { "x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": left } } });
  const pool = { strategy: "most_remaining", sticky: "none" };
  const stage = await setStage(router, { keys: [1, 2], pool, primary: { rules: [leaves(1, "10"), leaves(2, "90")] } });
  // Until both are known one is drawn; from then on it is always the fuller one.
  for (let index = 0; index < 8; index += 1) checkAnswer(stage, await stage.ask({ stream: index % 2 === 0 }), { content: short });
  assert.deepEqual(stage.keysUsed().slice(2), [2, 2, 2, 2, 2, 2]);
  await stage.close();
});

describe("56 sticky sessions", () => {
  const pool = { sticky: "session", strategy: "round_robin" };
  test("one session keeps its key, many sessions spread", async () => {
    const stage = await setStage(router, { keys: [1, 2, 3, 4], pool });
    for (let turn = 0; turn < 5; turn += 1) await stage.ask({ body: { session_id: "same" } });
    assert.equal(new Set(stage.keysUsed()).size, 1);
    stage.next();
    for (let index = 0; index < 24; index += 1) await stage.ask({ body: { session_id: `session-${index}` } });
    assert.ok(new Set(stage.keysUsed()).size >= 3, `${stage.keysUsed()}`);
    await stage.close();
  });

  test("a cooling key moves its session, and only it", async () => {
    const stage = await setStage(router, { keys: [1, 2, 3], pool });
    await stage.ask({ body: { session_id: "mover" } });
    const [first] = stage.keysUsed();
    stage.next({ primary: failing("openai/rate_limit_retry_after_600", first) });
    await stage.ask({ body: { session_id: "mover" } });
    const [, second] = stage.keysUsed();
    assert.notEqual(second, first);
    stage.next();
    for (let turn = 0; turn < 3; turn += 1) await stage.ask({ body: { session_id: "mover" } });
    assert.deepEqual(stage.keysUsed(), [second, second, second]);
    await stage.close();
  });

  test("a key that has recovered has its session again", async () => {
    const stage = await setStage(router, { keys: [1, 2, 3], pool });
    const ask = () => stage.ask({ body: { session_id: "returner" } });
    await ask();
    const [first] = stage.keysUsed();
    const limited = { do: "error", status: 429, headers: { "retry-after": "3" }, body: { error: { message: "Rate limit reached", code: "rate_limit_exceeded" } } };
    stage.next({ primary: { rules: [{ when: { credential: secretValue(first) }, acts: [limited, ok] }] } });
    await ask();
    assert.notEqual(stage.keysUsed().at(-1), first);
    await new Promise((resolve) => setTimeout(resolve, 3600));
    await ask();
    assert.equal(stage.keysUsed().at(-1), first);
    await stage.close();
  });
});

test("57 the fallback's 402 does not touch the primary's pool", async () => {
  const stage = await setStage(router, { primary: [error("openai/invalid_messages"), ok], fallback: error("others/openrouter_credits") });
  const direct = await router.call("/v1/chat/completions", chat(stage.fallbackModel));
  assert.equal(direct.status, 502, direct.text);
  stage.next({ primary: ok });
  checkAnswer(stage, await stage.ask(), { content: short, primary: 1, fallback: 0 });
  await stage.close();
});

test("63 all targets cooling: one last attempt", async () => {
  const stage = await setStage(router, { primary: error("openai/rate_limit_retry_after_30"), fallback: error("openai/rate_limit_retry_after_600") });
  checkAnswer(stage, await stage.ask(), { status: 429, code: "rate_limited", primary: 1, fallback: 1 });
  stage.next({ primary: ok, fallback: ok });
  checkAnswer(stage, await stage.ask(), { content: short });
  assert.equal(stage.primary.calls.length + stage.fallback.calls.length, 1);
  await stage.close();
});

test("65 a replaced secret is usable at once", async () => {
  const stage = await setStage(router, { keys: [1], primary: failing("openai/invalid_api_key", 1), fallback: null });
  checkAnswer(stage, await stage.ask(), { status: 502, code: "upstream_credentials_exhausted" });
  await router.importCatalog({ pools: [{ id: stage.pool, keys: [{ label: "k1", secret: secretName(2) }] }] });
  stage.next();
  checkAnswer(stage, await stage.ask(), { content: short, keys: [2] });
  await stage.close();
});

test("65 a new catalog revision frees a key that was given up", async () => {
  const stage = await setStage(router, { keys: [1], primary: failing("openai/invalid_api_key", 1), fallback: null });
  checkAnswer(stage, await stage.ask(), { status: 502, code: "upstream_credentials_exhausted" });
  stage.next({ primary: ok });
  checkAnswer(stage, await stage.ask(), { status: 502, primary: 0 });
  // The same secret; the operator has repaired the account and says so by touching the document.
  await router.importCatalog({ pools: [{ id: stage.pool, keys: [{ label: "k1", secret: secretName(1), weight: 2 }] }] });
  stage.next({ primary: ok });
  checkAnswer(stage, await stage.ask(), { content: short, keys: [1] });
  await stage.close();
});

test("an operator's reset clears a cooldown", async () => {
  const stage = await setStage(router, { keys: [1], primary: [error("openai/insufficient_quota"), ok], fallback: null });
  checkAnswer(stage, await stage.ask(), { status: 502 });
  const reset = await router.admin("POST", `pools/${stage.pool}/reset`, {});
  assert.equal(reset.status, 200, reset.text);
  stage.next();
  checkAnswer(stage, await stage.ask(), { content: short, keys: [1] });
  await stage.close();
});

test("health names state and class, never a secret", async () => {
  const stage = await setStage(router, { keys: [1, 2], primary: failing("openai/insufficient_quota", 1) });
  await stage.ask();
  const health = await router.admin("GET", "health/targets");
  assert.equal(health.status, 200, health.text);
  const pool = health.json.pools.find((entry) => entry.pool === stage.pool);
  assert.equal(pool.credentials.find((credential) => credential.label === "k1").class, "billing");
  assert.equal(pool.credentials.find((credential) => credential.label === "k2").state, "ready");
  for (const key of [1, 2]) assert.ok(!health.text.includes(secretValue(key)));
  await stage.close();
});
