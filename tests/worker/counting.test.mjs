// What a warm request waits for before its upstream is called: nothing without a budget, one Durable Object with one, fusion included.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";
import { countedObjects } from "./proxies.mjs";

const CHAT = "/v1/chat/completions";
/** Longer than what follows a response takes here. */
const QUIET_MS = 700;

let upstream;
let router;
const told = [];
const keys = {};
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({ around: countedObjects((call) => { told.push({ ...call, upstreamCalls: upstream.calls.length }); }) });
  const advisers = ["a1", "a2", "a3", "a4"];
  await router.importCatalog(catalogOf(providerAt("p", upstream), {
    models: [...advisers.map((name) => modelOf("p", name)), modelOf("p", "synth"), modelOf("p", "m")],
    policies: [{ id: "free" }, { id: "paid", budgets: [{ window: "month", limit_usd: 50 }, { window: "day", limit_usd: 5, scope: "key" }], rate: { rpm: 600 } }],
    fusion_profiles: [{ id: "default", enabled: true, advisers: advisers.map((name) => ({ model: `p/${name}` })), synthesizer: { model: "p/synth" } }],
  }));
  for (const policy of ["free", "paid"]) keys[policy] = (await router.admin("POST", "keys", { policy })).json.key;
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});

/** Calls that a warm request made before its first upstream call. */
async function beforeUpstream(key, body) {
  await router.call(CHAT, body, { key });
  await sleep(QUIET_MS);
  upstream.reset();
  told.length = 0;
  const answer = await router.call(CHAT, body, { key });
  assert.equal(answer.status, 200, answer.text);
  await sleep(QUIET_MS);
  assert.ok(told.some((call) => call.what === "/settle"), "what follows the response is seen, so what comes before would be");
  return told.filter((call) => call.upstreamCalls === 0).map((call) => `${call.binding} ${call.what}`);
}

describe("a warm request waits for", () => {
  for (const [name, policy, body, expected] of [
    ["a chat without a budget: nothing", "free", chat("p/m"), []],
    ["a streamed chat of a named session without a budget: nothing", "free", chat("p/m", { stream: true, session_id: "s" }), []],
    ["a chat with budgets and a speed limit: one Ledger", "paid", chat("p/m"), ["LEDGER /reserve"]],
    ["a streamed chat with budgets: one Ledger", "paid", chat("p/m", { stream: true }), ["LEDGER /reserve"]],
    ["fusion with four advisers and a budget: one Ledger", "paid", chat("clawrouter/fusion"), ["LEDGER /reserve"]],
    ["fusion with four advisers without a budget: nothing", "free", chat("clawrouter/fusion"), []],
  ]) {
    test(name, async () => {
      assert.deepEqual(await beforeUpstream(keys[policy], body), expected);
      if (body.model === "clawrouter/fusion") assert.ok(upstream.calls.length >= 5, `${upstream.calls.length} upstream calls`);
    });
  }
});
