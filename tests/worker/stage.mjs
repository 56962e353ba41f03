// A stage for one resilience case: a primary and a fallback upstream on hosts of their own, providers, pools and a route
// that nobody used before (so that no cooldown of another case reaches in), and one function to ask.
import assert from "node:assert/strict";
import { startUpstream } from "../upstream/index.mjs";
import { QUICK, catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { contentOf, finishOf } from "./http.mjs";
import { secretValue } from "./harness.mjs";

const CHAT = "/v1/chat/completions";
const FALLBACK_KEY = 10;

let stages = 0;
const open = new Set();

/** Closes every stage that a failed test left open; for `after`. */
export async function closeStages() {
  await Promise.all([...open].map((stage) => stage.close()));
}

/**
 * Builds a stage on `router`. `primary` and `fallback` are scripts (`fallback: null`: no fallback target);
 * `keys` are the primary pool's test secrets; the rest are fields put into the documents.
 */
export async function setStage(router, { keys = [1], primary = { do: "answer" }, fallback = { do: "answer" }, pool = {}, model = {}, fallbackModel = {}, route = {}, timeouts = QUICK, provider = {} } = {}) {
  const number = ++stages;
  const [p, f, r] = [`p${number}`, `f${number}`, `r${number}`];
  const upstreams = { primary: await startUpstream({ script: primary }), fallback: await startUpstream({ script: fallback ?? { do: "answer" } }) };
  const targets = [{ model: `${p}/primary-model`, order: 0 }, ...(fallback ? [{ model: `${f}/fallback-model`, order: 1 }] : [])];
  await router.importCatalog(catalogOf(
    providerAt(p, upstreams.primary, { keys, pool, timeouts, ...provider }), providerAt(f, upstreams.fallback, { keys: [FALLBACK_KEY], timeouts }),
    { models: [modelOf(p, "primary-model", model), modelOf(f, "fallback-model", fallbackModel)], routes: [{ id: r, targets, ...route }] },
  ));
  const stage = {
    ...upstreams, id: r, model: `clawrouter/${r}`, provider: p, pool: p, primaryModel: targets[0].model, fallbackModel: targets[1]?.model,
    /** Asks the route: the answer plus `content`, `finish` and `servedBy`. */
    ask: async ({ stream = false, body = {}, ...options } = {}) => {
      const asked = chat(`clawrouter/${r}`, body);
      const answer = stream ? await router.stream(CHAT, asked, { timeoutMs: 60_000, ...options }) : await router.call(CHAT, asked, { timeoutMs: 60_000, ...options });
      return {
        ...answer,
        content: stream ? contentOf(answer.events) : answer.json?.choices?.[0]?.message?.content ?? null,
        finish: stream ? finishOf(answer.events) : answer.json?.choices?.[0]?.finish_reason ?? null,
        done: stream ? answer.events.at(-1)?.data === "[DONE]" : null,
        inBandError: stream ? answer.events.find((event) => event.json?.error)?.json.error ?? null : null,
        servedBy: answer.headers["x-clawrouter-target"]?.startsWith(`${p}/`) ? "primary" : answer.headers["x-clawrouter-target"]?.startsWith(`${f}/`) ? "fallback" : null,
      };
    },
    /** Test secrets used at the primary, as their numbers, in order. */
    keysUsed: () => upstreams.primary.calls.map((call) => Number(/secret-(\d+)-/.exec(call.credential ?? "")?.[1] ?? 0)),
    /** Forgets the recorded calls, keeps every cooldown of the router; new scripts may be given. */
    next: ({ primary: primaryScript, fallback: fallbackScript } = {}) => {
      for (const [upstream, script] of [[upstreams.primary, primaryScript], [upstreams.fallback, fallbackScript]]) {
        upstream.calls.length = 0;
        if (script) upstream.script(script);
      }
    },
    close: () => {
      open.delete(stage);
      return Promise.all([upstreams.primary.close(), upstreams.fallback.close()]);
    },
  };
  open.add(stage);
  return stage;
}

/** Checks an answer and the calls behind it against an expectation; every field is optional. */
export function checkAnswer(stage, answer, expect) {
  const context = `${answer.status} after ${answer.took} ms, ${stage.primary.calls.length} + ${stage.fallback.calls.length} calls: ${answer.text.slice(-600)}`;
  assert.equal(answer.failed, null, context);
  assert.ok([expect.status ?? 200].flat().includes(answer.status), `status ${expect.status ?? 200} expected: ${context}`);
  if (expect.code) assert.equal(answer.json?.error?.code, expect.code, context);
  if (expect.content !== undefined) assert.equal(answer.content, expect.content, context);
  if (expect.servedBy) assert.equal(answer.servedBy, expect.servedBy, context);
  if (expect.keys) assert.deepEqual(stage.keysUsed(), expect.keys, context);
  checkCalls("primary", stage.primary.calls.length, expect.primary, context);
  checkCalls("fallback", stage.fallback.calls.length, expect.fallback, context);
  if (expect.minMs) assert.ok(answer.took >= expect.minMs, `took ${answer.took} ms, at least ${expect.minMs} expected: ${context}`);
  if (expect.maxMs) assert.ok(answer.took <= expect.maxMs, `took ${answer.took} ms, at most ${expect.maxMs} expected: ${context}`);
  for (const [name, value] of Object.entries(expect.headers ?? {})) assert.equal(answer.headers[name], value, `${name}: ${context}`);
  for (let index = 1; index <= FALLBACK_KEY; index += 1) assert.ok(!answer.text.includes(secretValue(index)), "a secret leaked");
  if ((answer.status === 429 || answer.status === 503) && expect.retryAfter !== false) assert.match(answer.headers["retry-after"] ?? "", /^\d+$/, context);
}

function checkCalls(name, count, expected, context) {
  if (expected === undefined) return;
  const [least, most] = Array.isArray(expected) ? expected : [expected, expected];
  assert.ok(count >= least && count <= most, `${name} was called ${count} times, ${least}..${most} expected: ${context}`);
}
