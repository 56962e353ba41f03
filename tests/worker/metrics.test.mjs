// GET metrics on the real Worker: what happened to upstream calls is counted by class, adds up, never goes down, and tells no secret.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { CALLER_KEY, secretValue, startRouter } from "./harness.mjs";
import { closeStages, setStage } from "./stage.mjs";

const SERIES = /^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\d+(?:\.\d+)?)$/;
const paced = { do: "answer", tokens: 60, interval_ms: 2 };

/** The page as `{"name{labels}": number}`; every line must be one of the format's. */
async function scrape(router) {
  const answer = await router.admin("GET", "metrics");
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.headers["content-type"], /^text\/plain; version=0\.0\.4/);
  const types = new Map();
  const page = {};
  for (const line of answer.text.trimEnd().split("\n")) {
    const type = line.match(/^# TYPE ([a-z_]+) (counter|gauge|summary)$/);
    if (type) types.set(type[1], type[2]);
    if (line.startsWith("#")) continue;
    const [, name, labels = "", value] = line.match(SERIES) ?? assert.fail(`not a line of the format: ${line}`);
    assert.ok(types.has(name.replace(/_(sum|count)$/, "")) || types.has(name), `${name} has no TYPE before it`);
    const series = `${name}{${labels}}`;
    assert.ok(!(series in page), `${series} is there twice`);
    page[series] = Number(value);
  }
  return { page, text: answer.text, types };
}

/** Scrapes until `wanted` series have their values; rows follow their responses. */
async function until(router, wanted) {
  let page;
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await sleep(100)) {
    ({ page } = await scrape(router));
    if (Object.entries(wanted).every(([series, value]) => page[series] === value)) return page;
  }
  for (const [series, value] of Object.entries(wanted)) assert.equal(page[series], value, `${series} in ${JSON.stringify(page, null, 1)}`);
  return page;
}

const attempts = (target, kind) => `clawrouter_attempts_total{target="${target}",class="${kind}"}`;
const fallback = (stage, kind) => `clawrouter_fallback_total{from="${stage.primaryModel}",to="${stage.fallbackModel}",class="${kind}"}`;
const rotation = (stage, kind) => `clawrouter_rotation_total{pool="${stage.pool}",class="${kind}"}`;

describe("of a scripted upstream", () => {
  let router;
  before(async () => { router = await startRouter(); });
  after(async () => {
    await closeStages();
    await router?.stop();
  });

  test("429 on the first key: a rotation, and the key cools", async () => {
    const limited = { rules: [{ when: { credential: secretValue(1) }, acts: { do: "error", fixture: "openai/rate_limit_retry_after_600" } }] };
    const stage = await setStage(router, { keys: [1, 2], primary: limited });
    await stage.ask();
    const page = await until(router, { [attempts(stage.primaryModel, "rate_limit")]: 1, [attempts(stage.primaryModel, "ok")]: 1, [rotation(stage, "rate_limit")]: 1 });
    assert.ok(!Object.keys(page).some((series) => series.startsWith(`clawrouter_fallback_total{from="${stage.primaryModel}"`)));
    const labels = '{level="credential_model",state="cooling",class="rate_limit"}';
    assert.equal(page[`clawrouter_cooling_keys${labels}`], 1);
    const left = page[`clawrouter_cooldown_seconds${labels}`];
    assert.ok(left > 100 && left <= 700, `${left} s`);
    await stage.ask();
    await until(router, { [attempts(stage.primaryModel, "rate_limit")]: 1, [attempts(stage.primaryModel, "ok")]: 2, [rotation(stage, "rate_limit")]: 1 });
    await stage.close();
  });

  test("500 from the primary: repeated there, then a fallback", async () => {
    const stage = await setStage(router, { primary: { do: "error", status: 500 } });
    await stage.ask();
    const failed = stage.primary.calls.length;
    const page = await until(router, { [attempts(stage.primaryModel, "server_error")]: failed, [attempts(stage.fallbackModel, "ok")]: 1, [fallback(stage, "server_error")]: 1 });
    assert.ok(`clawrouter_breaker_state{target="${stage.primaryModel}"}` in page);
    await stage.ask();
    const moved = ({ page: now }) => Object.entries(now).filter(([series]) => series.startsWith(`clawrouter_fallback_total{from="${stage.primaryModel}"`)).reduce((sum, [, count]) => sum + count, 0);
    let last;
    for (const deadline = Date.now() + 5000; Date.now() < deadline && (last = moved(await scrape(router))) < 2;) await sleep(100);
    assert.equal(last, 2, "called or passed over, the second request fell back, too");
    await stage.close();
  });

  test("401 for the only key: a fallback, and the key is out of use", async () => {
    const stage = await setStage(router, { primary: { do: "error", fixture: "openai/invalid_api_key" } });
    await stage.ask();
    const page = await until(router, { [attempts(stage.primaryModel, "auth")]: 1, [fallback(stage, "auth")]: 1 });
    assert.ok(Object.keys(page).some((series) => /^clawrouter_cooling_keys\{level="credential",state="\w+",class="auth"\}$/.test(series)));
    await stage.close();
  });

  test("a cut stream: joined, diverged, given up", async () => {
    const cut = { ...paced, cut: { at: 40, how: "reset" } };
    for (const other of [paced, { ...paced, seed: 3 }]) {
      const stage = await setStage(router, { primary: cut, fallback: other });
      await stage.ask({ stream: true });
      await until(router, { [fallback(stage, "stream_cut")]: 1 });
      await stage.close();
    }
    const page = await until(router, { 'clawrouter_splice_total{result="ok"}': 1, 'clawrouter_splice_total{result="diverged"}': 1 });
    assert.ok(page["clawrouter_commit_buffer_seconds_count{}"] >= 2);
    assert.ok("clawrouter_commit_buffer_seconds_sum{}" in page);
  });

  test("calls add up to what the Ledgers call calls, and nothing secret is told", async () => {
    await sleep(400);
    const { page, text, types } = await scrape(router);
    const sum = (name) => Object.entries(page).filter(([series]) => series.startsWith(`${name}{`)).reduce((total, [, value]) => total + value, 0);
    assert.equal(sum("clawrouter_attempts_total"), sum("clawrouter_upstream_calls_total"));
    for (const [name, type] of types) assert.equal(type === "counter", name.endsWith("_total"), name);
    for (const secret of [CALLER_KEY, CALLER_KEY.split("-")[2], ...Array.from({ length: 10 }, (_, index) => secretValue(index + 1)), "Say something"]) assert.ok(!text.includes(secret), secret);
    assert.ok(page["clawrouter_hub_lag_seconds{}"] < 60);
  });

  test("a 204 is told as a 204", async () => {
    const stage = await setStage(router, { primary: { do: "raw", status: 204, body: "" }, fallback: null });
    const { json, status } = await stage.ask();
    assert.equal(status, 502);
    assert.ok(json.error.clawrouter.attempts.length >= 1);
    for (const attempt of json.error.clawrouter.attempts) assert.deepEqual([attempt.status, attempt.class], [204, "bad_response"]);
    await stage.close();
  });
});

test("counters survive a restart and never go down", async () => {
  const state = mkdtempSync(path.join(os.tmpdir(), "clawrouter-metrics-"));
  const upstream = await startUpstream({ script: [{ do: "error", status: 400, body: { error: { message: "no", type: "invalid_request_error" } } }, { do: "answer" }] });
  let router = await startRouter({ state, catalog: catalogOf(providerAt("p", upstream), { models: [modelOf("p", "m")] }) });
  try {
    for (let turn = 0; turn < 4; turn += 1) await router.call("/v1/chat/completions", chat("p/m"));
    const wanted = { [attempts("p/m", "invalid_request")]: 1, [attempts("p/m", "ok")]: 3 };
    const counters = (page) => Object.entries(page).filter(([series]) => series.includes("_total{"));
    const earlier = await until(router, wanted);
    await router.stop();
    router = await startRouter({ state });
    const { page } = await scrape(router);
    for (const [series, count] of counters(earlier)) assert.equal(page[series], count, series);
    await router.call("/v1/chat/completions", chat("p/m"));
    await until(router, { ...wanted, [attempts("p/m", "ok")]: 4 });
  } finally {
    await router.stop().catch(() => {});
    await upstream.close();
    rmSync(state, { recursive: true, force: true });
  }
});
