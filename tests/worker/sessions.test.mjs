// Session pins: a session on a route stays where it was served, also across a restart, until it is told to forget.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

let upstream;
let router;
const state = mkdtempSync(path.join(tmpdir(), "clawrouter-sessions-"));
const catalog = () => catalogOf(providerAt("p", upstream, { keys: [1, 2, 3, 4], pool: { strategy: "round_robin", sticky: "none" } }), {
  models: ["a", "b", "c", "d"].map((name) => modelOf("p", name)),
  // Equal weights in one order: without a pin, each request draws anew.
  routes: [{ id: "spread", targets: ["a", "b", "c", "d"].map((name) => ({ model: `p/${name}`, order: 0, weight: 1 })) }],
});

before(async () => {
  upstream = await startUpstream();
  router = await startRouter({ catalog: catalog(), state });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
  rmSync(state, { recursive: true, force: true });
});

const ask = (body, headers = {}) => router.call("/v1/chat/completions", { ...chat("clawrouter/spread"), ...body }, { headers });
/** Sessions as the admin lists them, once all that were asked for are there: pins are stored after the response. */
async function listedSessions(...ids) {
  for (const deadline = Date.now() + 5000; ; ) {
    const listed = await router.admin("GET", "sessions?limit=200");
    assert.equal(listed.status, 200, listed.text);
    const rows = ids.map((id) => listed.json.items.find((item) => item.session.endsWith(`/${id}`)));
    if (rows.every(Boolean)) return rows;
    assert.ok(Date.now() < deadline, listed.text.slice(0, 500));
  }
}
const places = () => upstream.calls.map((call) => `${call.model} ${call.credential}`);

const IDS = [
  ["body session_id", (id) => [{ session_id: id }, {}]], ["x-clawrouter-session-id", (id) => [{}, { "x-clawrouter-session-id": id }]],
  ["x-session-id", (id) => [{}, { "x-session-id": id }]], ["prompt_cache_key", (id) => [{ prompt_cache_key: id }, {}]],
];
for (const [name, build] of IDS) {
  test(`a session named by ${name} keeps model and credential`, async () => {
    const distinct = new Set();
    for (const session of ["one", "two", "three", "four", "five", "six"]) {
      upstream.reset();
      for (let turn = 0; turn < 4; turn += 1) {
        const answer = await ask(...build(`${name}-${session}`));
        assert.equal(answer.status, 200, answer.text);
      }
      assert.equal(new Set(places()).size, 1, `${session}: ${places()}`);
      distinct.add(places()[0]);
    }
    assert.ok(distinct.size > 1, "sessions spread");
  });
}

test("the pin outlives the isolate", async () => {
  upstream.reset();
  const sessions = ["r1", "r2", "r3", "r4", "r5"];
  for (const session_id of sessions) await ask({ session_id });
  const earlier = places();
  await listedSessions(...sessions);
  await router.stop();
  router = await startRouter({ state });
  upstream.reset();
  for (const session_id of sessions) await ask({ session_id });
  assert.deepEqual(places(), earlier);
});

test("the admin sees sessions and can make one forget", async () => {
  await ask({ session_id: "to-forget" });
  const [row] = await listedSessions("to-forget");
  assert.match(row.target, /^p\/[abcd]$/);
  const forgotten = await router.admin("DELETE", `sessions/${encodeURIComponent(row.session)}`);
  assert.equal(forgotten.status, 204, forgotten.text);
  const after = await router.admin("GET", "sessions?limit=200");
  assert.ok(!after.json.items.some((item) => item.session === row.session));
});

test("a pinned target that fails is left, and the session stays on the next one", async () => {
  upstream.reset();
  await ask({ session_id: "moves" });
  const [first] = upstream.calls.map((call) => call.model);
  upstream.reset();
  upstream.script({ rules: [{ when: { model: first }, acts: { do: "error", fixture: "openai/rate_limit_retry_after_600" } }] });
  for (let turn = 0; turn < 3; turn += 1) assert.equal((await ask({ session_id: "moves" })).status, 200);
  const served = upstream.calls.filter((call) => call.status === 200).map((call) => call.model);
  assert.equal(new Set(served).size, 1);
  assert.notEqual(served[0], first);
});

test("a session is its key's own, and the header names it as the caller does", async () => {
  const minted = await router.admin("POST", "keys", { policy: "default" });
  assert.equal(minted.status, 201, minted.text);
  const places = new Set();
  for (const key of [undefined, minted.json.key]) {
    for (const session_id of ["shared/name", "s2", "s3", "s4", "s5", "s6"]) {
      const answer = await router.call("/v1/chat/completions", { ...chat("clawrouter/spread"), session_id }, key ? { key } : {});
      assert.equal(answer.headers["x-clawrouter-session"], session_id);
      assert.equal(answer.headers["x-clawrouter-pinned"], "0", "the other key's pin is not used");
      places.add(answer.headers["x-clawrouter-target"]);
    }
  }
  assert.ok(places.size > 1);
  const unnamed = await ask({});
  assert.match(unnamed.headers["x-clawrouter-session"], /^[0-9a-f]{64}$/);
});

test("the same question is explained alike every time", async () => {
  const explained = new Set();
  for (let turn = 0; turn < 8; turn += 1) {
    const { json } = await router.call("/v1/route", { ...chat("clawrouter/spread"), messages: [{ role: "user", content: "explain alike" }] });
    explained.add(JSON.stringify([json.model, json.fallbacks, json.candidates.map((candidate) => candidate.model)]));
  }
  assert.equal(explained.size, 1);
});
