// Who pays and who may: tests from the admin page cost money like any request, paused keys and policies are refused by their Ledgers,
// no key is written that has expired, amounts keep their digits.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";
import { countedObjects } from "./proxies.mjs";

const CHAT = "/v1/chat/completions";
const CREATE = { "if-none-match": "*" };
const told = [];
let upstream;
let router;

before(async () => {
  upstream = await startUpstream({ script: { do: "answer", tokens: 4 } });
  router = await startRouter({ around: countedObjects((call) => { told.push(`${call.binding} ${call.what}`); }) });
  const price = { input: 1000, output: 2000, effective: "2026-01-01", source: "test" };
  await router.importCatalog(catalogOf(providerAt("p", upstream), providerAt("capped", upstream, { budget: 100 }), {
    models: [modelOf("p", "m", { price }), modelOf("capped", "m", { price }), modelOf("p", "a1"), modelOf("p", "a2")],
    policies: [
      { id: "tests", budgets: [{ window: "total", limit_usd: 1 }] }, { id: "paid", budgets: [{ window: "total", limit_usd: 50 }] },
      { id: "free" }, { id: "switched", budgets: [{ window: "total", limit_usd: 50 }] },
    ],
    fusion_profiles: [{ id: "default", enabled: true, advisers: [{ model: "p/a1" }, { model: "p/a2" }], synthesizer: { model: "p/m" } }],
  }));
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});

async function eventually(what, ask, timeout = 5000) {
  for (const deadline = Date.now() + timeout; Date.now() < deadline; await sleep(50)) {
    const answer = await ask();
    if (answer) return answer;
  }
  return assert.fail(`${what} did not come within ${timeout} ms`);
}

async function put(where, change) {
  const { json: { document }, headers } = await router.admin("GET", where);
  return router.admin("PUT", where, { ...document, ...change }, { "if-match": headers.etag });
}

async function mint(policy, fields = {}) {
  const minted = await router.admin("POST", "keys", { policy, ...fields });
  assert.equal(minted.status, 201, minted.text);
  return minted.json;
}

const adminPolicy = (id) => put("settings/default", { admin_policy: id });
const verify = (model) => router.admin("POST", `models/${encodeURIComponent(model)}/verify`, {});
const rowOf = (id) => eventually("the row", async () => {
  const { json } = await router.admin("GET", `requests?q=${id}`);
  return json.items[0];
});
const spent = async (policy) => (await router.admin("GET", `usage?group=policy`)).json.groups.find((group) => group.id === policy)?.cost_usd ?? 0;

describe("verifying a model", () => {
  test("is reserved, settled and listed as a test", async () => {
    assert.equal((await adminPolicy("tests")).status, 200);
    told.length = 0;
    const answer = await verify("p/m");
    assert.deepEqual([answer.status, answer.json.ok, answer.json.status], [200, true, 200], answer.text);
    assert.ok(told.includes("LEDGER /reserve"), `${told}`);
    const row = await rowOf(answer.json.request_id);
    assert.deepEqual([row.source, row.policy, row.key_label, row.served_model, row.attempts.length], ["verify", "tests", "verification", "p/m", 1]);
    assert.ok(row.cost_usd > 0);
    assert.equal(await spent("tests"), row.cost_usd);
    const trace = (await router.admin("GET", `requests/${row.request_id}`)).json;
    assert.ok(trace.reserved_usd >= row.cost_usd, `${trace.reserved_usd} reserved, ${row.cost_usd} used`);
  });

  test("that fails upstream is told, costs nothing and leaves its row", async () => {
    upstream.script({ do: "error", status: 400, body: { error: { message: "no", type: "invalid_request_error" } } });
    const answer = await verify("p/m");
    upstream.script({ do: "answer", tokens: 4 });
    assert.deepEqual([answer.status, answer.json.ok, answer.json.status, answer.json.class], [200, false, 400, "invalid_request"], answer.text);
    const row = await rowOf(answer.json.request_id);
    assert.deepEqual([row.source, row.cost_usd, row.class], ["verify", 0, "invalid_request"]);
  });

  test("a provider's cap counts it", async () => {
    told.length = 0;
    const answer = await verify("capped/m");
    assert.equal(answer.json.ok, true, answer.text);
    assert.ok(told.filter((call) => call === "LEDGER /reserve").length >= 2, `the provider's Ledger was asked, too: ${told}`);
    await eventually("the cap's settlement", () => told.includes("LEDGER /settle/amount"));
  });

  test("a spent budget refuses it before any call", async () => {
    await router.admin("PUT", "policies/broke", { id: "broke", budgets: [{ window: "total", limit_usd: 0 }] }, CREATE);
    await adminPolicy("broke");
    upstream.reset();
    const answer = await verify("p/m");
    assert.deepEqual([answer.status, answer.json.error.code], [402, "budget_exceeded"], answer.text);
    assert.equal(answer.json.error.clawrouter.budget.limit_usd, 0);
    assert.equal(upstream.calls.length, 0);
    await adminPolicy("default");
  });

  test("a test prompt is marked, too, and its calls share a compound_id", async () => {
    const answer = await router.admin("POST", "fusion-profiles/default/test", { prompt: "Say something.", policy: "paid" });
    assert.equal(answer.status, 200, answer.text);
    const row = await rowOf(answer.headers["x-request-id"]);
    assert.deepEqual([row.source, row.key_label, row.policy], ["test_prompt", "test prompt", "paid"]);
    const ids = new Set(row.attempts.map((attempt) => attempt.compound_id));
    assert.ok(row.attempts.length >= 3 && ids.size === 1 && [...ids][0].length > 8, JSON.stringify(row.attempts));
  });

  test("a plain request has neither", async () => {
    const { key } = await mint("paid");
    const { headers } = await router.call(CHAT, chat("p/m", { max_tokens: 5 }), { key });
    const row = await rowOf(headers["x-request-id"]);
    assert.ok(!("source" in row) && !("compound_id" in row.attempts[0]) && !("moves" in row));
  });
});

describe("pausing", () => {
  test("a key is told to its Ledger, and so is its return", async () => {
    const { kid, key } = await mint("paid");
    const ask = () => router.call(CHAT, chat("p/m", { max_tokens: 5 }), { key });
    assert.equal((await ask()).status, 200);
    told.length = 0;
    assert.equal((await put(`keys/${kid}`, { enabled: false })).status, 200);
    await eventually("the Ledger's notice", () => told.includes("LEDGER /pause"));
    const refused = await ask();
    assert.deepEqual([refused.status, refused.json.error.code, refused.json.error.clawrouter.reason], [403, "key_revoked", "key_paused"]);
    told.length = 0;
    assert.equal((await put(`keys/${kid}`, { enabled: true })).status, 200);
    await eventually("the second notice", () => told.includes("LEDGER /pause"));
    assert.equal((await ask()).status, 200);
  });

  test("a policy is told to its Ledger, and so is its return", async () => {
    const { key } = await mint("switched");
    const ask = () => router.call(CHAT, chat("p/m", { max_tokens: 5 }), { key });
    assert.equal((await ask()).status, 200);
    for (const [enabled, status] of [[false, 403], [true, 200]]) {
      told.length = 0;
      assert.equal((await put("policies/switched", { enabled })).status, 200);
      await eventually("the Ledger's notice", () => told.includes("LEDGER /pause"));
      assert.equal((await ask()).status, status);
    }
    told.length = 0;
    assert.equal((await put("policies/switched", { rate: { rpm: 600 } })).status, 200);
    await sleep(1500);
    assert.ok(!told.includes("LEDGER /pause"), "other changes tell it nothing");
  });
});

describe("an isolate that has not heard of it", () => {
  const author = { actor: "another isolate", request_id: "r", at: Date.now(), note: null };
  const registry = (where, question) => router.askObject("REGISTRY", "registry", where, question);

  async function twoKeys() {
    const keys = {};
    for (const policy of ["paid", "free"]) {
      keys[policy] = await mint(policy);
      assert.equal((await ask(keys[policy].key)).status, 200);
    }
    return keys;
  }
  const ask = (key) => router.call(CHAT, chat("p/m", { max_tokens: 5 }), { key });

  async function pauseElsewhere(kid, enabled) {
    const { json: { document, revision } } = await router.admin("GET", `keys/${kid}`);
    told.length = 0;
    await registry("/keys/change", { kid, wish: { Document: [{ ...document, enabled }, { revision }] }, author });
    await eventually("the Ledger's notice", () => told.includes("LEDGER /pause"));
  }

  test("pauses a budgeted key at once; one without a budget takes its time", async () => {
    const { paid, free } = await twoKeys();
    upstream.reset();
    for (const { kid } of [paid, free]) await pauseElsewhere(kid, false);
    const refused = await ask(paid.key);
    assert.deepEqual([refused.status, refused.json.error.code, refused.json.error.clawrouter.reason], [403, "key_revoked", "key_paused"], refused.text);
    assert.equal(upstream.calls.length, 0);
    assert.equal((await ask(free.key)).status, 200, "nothing is asked for it, as documented");
    await pauseElsewhere(paid.kid, true);
    assert.equal((await ask(paid.key)).status, 200);
  });

  test("turns a budgeted policy off at once", async () => {
    const { key } = await mint("switched");
    assert.equal((await ask(key)).status, 200);
    const write = async (enabled) => {
      const { json: { document, revision } } = await router.admin("GET", "policies/switched");
      told.length = 0;
      await registry("/documents/put", { name: { collection: "policies", id: "switched" }, text: JSON.stringify({ ...document, enabled }), condition: { revision }, author });
      await eventually("the Ledger's notice", () => told.includes("LEDGER /pause"));
    };
    await write(false);
    const refused = await ask(key);
    assert.deepEqual([refused.status, refused.json.error.code], [403, "policy_disabled"], refused.text);
    await write(true);
    assert.equal((await ask(key)).status, 200);
  });
});

describe("an expiry in the past", () => {
  const past = "2020-01-01T00:00:00Z";
  const refusedAt = (answer) => {
    assert.deepEqual([answer.status, answer.json.error.code, answer.json.error.param], [422, "invalid_document", "/expires"], answer.text);
    assert.match(answer.json.error.message, /^`expires` lies in the past: .*\.$/);
  };

  test("is not minted and not written", async () => {
    const before = (await router.admin("GET", "keys?policy=free")).json.total.value;
    refusedAt(await router.admin("POST", "keys", { policy: "free", expires: past }));
    assert.equal((await router.admin("GET", "keys?policy=free")).json.total.value, before);
    const { kid } = await mint("free");
    refusedAt(await put(`keys/${kid}`, { expires: past }));
    assert.equal((await put(`keys/${kid}`, { expires: "2099-01-01T00:00:00Z" })).status, 200);
  });

  test("that has come by itself stays, but is neither rotated nor brought back", async () => {
    const soon = new Date(Date.now() + 700).toISOString();
    const { kid } = await mint("free", { expires: soon });
    await sleep(900);
    const labelled = await put(`keys/${kid}`, { label: "over" });
    assert.deepEqual([labelled.status, labelled.json.document.label], [200, "over"], labelled.text);
    refusedAt(await router.admin("POST", `keys/${kid}/rotate`, { overlap_hours: 1 }));
    assert.equal((await put(`keys/${kid}`, { expires: null })).status, 200);
    refusedAt(await router.admin("POST", `keys/${kid}/rollback`, { revision: 1 }));
  });
});

describe("amounts keep their digits", () => {
  test("in history and audit", async () => {
    const id = "digits";
    const policy = (limit) => `{"id":"${id}","budgets":[{"window":"total","limit_usd":${limit}}]}`;
    const headers = { "content-type": "application/json" };
    assert.equal((await router.admin("PUT", `policies/${id}`, policy("9007199254.740993001"), { ...headers, ...CREATE })).status, 201);
    const { json: { revision } } = await router.admin("GET", `policies/${id}`);
    const changed = await router.admin("PUT", `policies/${id}`, policy("0.000000001"), { ...headers, "if-match": `"${revision}"` });
    assert.equal(changed.status, 200, changed.text);
    for (const where of [`policies/${id}/history`, `audit?q=${id}`]) {
      const { text } = await router.admin("GET", where);
      assert.ok(text.includes('"before":9007199254.740993001,"after":0.000000001'), `${where}: ${text.slice(0, 600)}`);
    }
    const fine = await router.admin("PUT", `policies/${id}`, policy("0.30000000000000004"), { ...headers, "if-match": `"${changed.json.revision}"` });
    assert.equal(fine.status, 422, fine.text);
    assert.match(fine.json.error.param, /limit_usd/);
  });

  test("in a request's own cap and in the inspector's", async () => {
    const { key } = await mint("free");
    const body = (cap) => `{"model":"p/m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"clawrouter":{"max_cost_usd":${cap}}}`;
    const headers = { "content-type": "application/json" };
    for (const [cap, status, reason] of [["0.30000000000000004", 400], ["1e-10", 400], ["1e-9", 400, "cost_cap"], ["0.100000001", 200]]) {
      const answer = await router.call(CHAT, body(cap), { key, headers });
      assert.equal(answer.status, status, `${cap}: ${answer.text}`);
      if (status === 400) assert.equal(answer.json.error.param, "clawrouter.max_cost_usd", answer.text);
      if (reason) assert.equal(answer.json.error.clawrouter.reason, reason);
      const explained = await router.admin("POST", "route/explain", body(cap), headers);
      assert.equal(explained.json.status ?? explained.status, status, `${cap}: ${explained.text}`);
    }
  });

  test("in candidates' prices", async () => {
    const price = { input: 0.300001, output: 123456789.000001 };
    await router.importCatalog({ models: [modelOf("p", "exact", { price: { ...price, effective: "2026-01-01", source: "test" } })] });
    const { text } = await router.admin("GET", "candidates?policy=free");
    assert.ok(text.includes('"price":{"input":0.300001,"output":123456789.000001}'), text.slice(0, 400));
  });
});

test("the group `others` says that it cannot be opened", async () => {
  const answer = await router.admin("GET", "requests?counts_for=others");
  assert.deepEqual([answer.status, answer.json.error.param], [400, "counts_for"], answer.text);
  assert.match(answer.json.error.message, /cannot be told from the rest/);
});
