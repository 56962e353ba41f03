// Who may, and what is written down: refused requests, revocation against a failing KV, rough limits, statistics, last use, trace context.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, beforeEach, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";
import { toldBindings } from "./proxies.mjs";

const CHAT = "/v1/chat/completions";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

let upstream;
let router;
let told = [];
let refuse = () => false;
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({
    around: toldBindings((call) => { told.push(call); return !refuse(call); }),
    catalog: catalogOf(providerAt("p", upstream), providerAt("q", upstream), {
      models: [modelOf("p", "m"), modelOf("q", "m")],
      policies: [
        { id: "open" }, { id: "poor", budgets: [{ window: "total", limit_usd: 0.000001 }] }, { id: "only-p", allow: { providers: ["p"] } }, { id: "flooded", allow: { providers: ["p"] } },
        { id: "slow", rate: { rpm: 1 } }, { id: "unused" }, { id: "doomed" },
      ],
    }),
  });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});
beforeEach(() => {
  told = [];
  refuse = () => false;
  upstream.reset();
});

async function mint(policy) {
  const answer = await router.admin("POST", "keys", { policy });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}
const ask = (key, model = "p/m", options = {}) => router.call(CHAT, chat(model), { key, ...options });

async function eventually(what, check, ms = 8000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    assert.ok(Date.now() < deadline, `${what} within ${ms} ms`);
    await sleep(50);
  }
}
const rowsOf = async (kid) => (await router.admin("GET", `requests?limit=200&key=${kid}`)).json.items;

describe("a refused request leaves a row", () => {
  for (const [policy, model, status, code] of [
    ["poor", "p/m", 402, "budget_exceeded"], ["only-p", "q/m", 403, "provider_not_allowed"], ["open", "p/none", 404, "model_not_found"], ["slow", "p/m", 429, "rate_limited"],
  ]) {
    test(`${status} ${code}`, async () => {
      const { kid, key } = await mint(policy);
      if (status === 429) await ask(key, model);
      upstream.reset();
      const answer = await ask(key, model);
      assert.deepEqual([answer.status, answer.json.error.code], [status, code], answer.text);
      const row = await eventually("the row", async () => (await rowsOf(kid)).find((row) => row.status === status));
      assert.deepEqual([row.class, row.strategy, row.cost_usd, row.attempts.length, row.requested_model], [code, "refused", 0, 0, model]);
      const trace = await router.admin("GET", `requests/${row.request_id}`);
      assert.equal(trace.status, 200, trace.text);
      assert.equal(upstream.calls.length, 0);
      assert.ok(told.some((call) => call.binding === "ANALYTICS" && call.what.blobs[3] === "refused"));
    });
  }

  test("a stranger's leaves none", async () => {
    const { kid, key } = await mint("open");
    const answer = await ask(`${key.slice(0, -4)}AAAA`);
    assert.equal(answer.status, 401);
    await sleep(300);
    assert.deepEqual(await rowsOf(kid), []);
  });

  test("a flood leaves few, and they add up", async () => {
    const { kid, key } = await mint("flooded");
    await sleep(10_000);
    const flood = 300;
    for (let done = 0; done < flood; done += 50) await Promise.all(Array.from({ length: 50 }, () => ask(key, "q/m")));
    const rows = await eventually("the window's end", async () => {
      const rows = await rowsOf(kid);
      return rows.some((row) => row.repeats > 0) && rows;
    }, 15_000);
    assert.ok(rows.length <= 45, `${rows.length} rows`);
    assert.equal(rows.reduce((sum, row) => sum + 1 + (row.repeats ?? 0), 0), flood);
    const usage = (await router.admin("GET", "usage?group=policy")).json.groups.find((group) => group.id === "flooded");
    assert.deepEqual([usage.requests, usage.errors], [flood, flood]);
  });
});

describe("revocation", () => {
  test("is published again until KV takes it, and holds meanwhile", async () => {
    const { kid, key } = await mint("open");
    assert.equal((await ask(key)).status, 200);
    refuse = (call) => call.binding === "KV" && call.what === `put key/${kid}`;
    assert.equal((await router.admin("POST", `keys/${kid}/revoke`, {})).status, 200);
    assert.deepEqual([(await ask(key)).status, (await ask(key)).json.error.code], [403, "key_revoked"]);
    const tries = () => told.filter((call) => call.what === `put key/${kid}`).length;
    await eventually("a second try", () => tries() >= 2);
    refuse = () => false;
    const before = tries();
    await eventually("the try that works", () => tries() > before, 15_000);
    await sleep(5_000);
    const settled = tries();
    await sleep(3_000);
    assert.equal(tries(), settled, "and no further one");
  });

  test("a refused use of a revoked key leaves a row", async () => {
    const { kid, key } = await mint("open");
    await router.admin("POST", `keys/${kid}/revoke`, {});
    assert.equal((await ask(key)).status, 403);
    const row = await eventually("the row", async () => (await rowsOf(kid))[0]);
    assert.deepEqual([row.status, row.class], [403, "key_revoked"]);
  });

  test("a policy that live keys name is not deleted", async () => {
    const { kid } = await mint("doomed");
    const stored = await router.admin("GET", "policies/doomed");
    const remove = () => router.admin("DELETE", "policies/doomed", undefined, { "if-match": stored.headers.etag });
    const refused = await remove();
    assert.deepEqual([refused.status, refused.json.error.code, refused.json.error.clawrouter.reason, refused.json.error.clawrouter.keys], [409, "conflict", "policy_in_use", 1]);
    assert.match(refused.json.error.message, /revoke it first/);
    await router.admin("POST", `keys/${kid}/revoke`, {});
    assert.equal((await remove()).status, 200);
    const audit = await eventually("the refused write's row", async () => (await router.admin("GET", "audit?limit=100&q=policies/doomed")).json.items.find((row) => row.result === "conflict"));
    assert.equal(audit.action, "delete");
  });
});

test("failed sign-ins are audited, without the token", async () => {
  const wrong = "wrong-token-0123456789";
  const refused = await router.admin("GET", "me", undefined, { authorization: `Bearer ${wrong}` });
  assert.equal(refused.status, 401);
  const page = await eventually("the row", async () => {
    const page = await router.admin("GET", "audit?limit=100&q=sign_in");
    return page.json.items.some((row) => row.result === "invalid_admin_token" && row.actor === "unknown") && page;
  });
  assert.ok(!page.text.includes(wrong));
});

test("a key tells when it was last used", async () => {
  const { kid, key } = await mint("open");
  const listed = async () => (await router.admin("GET", `keys?limit=100&q=${kid}`)).json.items[0];
  assert.deepEqual([(await listed()).last_used_at, (await listed()).usage_known], [null, true]);
  const from = Date.now();
  await ask(key);
  const used = await eventually("the last use", async () => (await listed()).last_used_at);
  assert.ok(Math.abs(Date.parse(used) - from) < 5_000, used);
});

describe("trace context", () => {
  test("a valid one goes on with a span of each call, and into the trace", async () => {
    const { key } = await mint("open");
    const answer = await ask(key, "p/m", { headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` } });
    assert.equal(answer.status, 200, answer.text);
    const sent = upstream.calls[0].headers.traceparent;
    assert.match(sent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    assert.ok(!sent.includes("00f067aa0ba902b7"));
    const trace = await eventually("the trace", async () => {
      const found = await router.call(`/v1/traces/${answer.headers["x-request-id"]}`, undefined, { key });
      return found.status === 200 && found.json;
    });
    assert.equal(trace.trace_id, TRACE);
  });

  for (const value of ["00-zz-00f067aa0ba902b7-01", `00-${"0".repeat(32)}-00f067aa0ba902b7-01`, "planted"]) {
    test(`${value} is ignored`, async () => {
      const { key } = await mint("open");
      assert.equal((await ask(key, "p/m", { headers: { traceparent: value } })).status, 200);
      assert.equal(upstream.calls[0].headers.traceparent, undefined);
    });
  }
});

describe("optional bindings", () => {
  test("a point a request", async () => {
    const { key } = await mint("open");
    await ask(key);
    const { what: point } = await eventually("the point", () => told.find((call) => call.binding === "ANALYTICS"));
    assert.deepEqual([point.indexes, point.blobs], [["open"], ["p/m", "p/m", "2xx", "primary"]]);
    assert.ok(point.doubles.length === 4 && point.doubles[0] > 0 && point.doubles[1] > 0);
  });

  test("a rough limit before anything else, counted by the whole key", async () => {
    const { key } = await mint("open");
    await ask(key);
    const counted = told.find((call) => call.binding === "RATE_LIMITER").what;
    assert.ok(/^[0-9a-f]{64}$/.test(counted), counted);
    refuse = (call) => call.binding === "RATE_LIMITER";
    upstream.reset();
    const refused = await ask(key);
    assert.deepEqual([refused.status, refused.json.error.code, refused.headers["retry-after"]], [429, "rate_limited", "60"]);
    assert.equal(upstream.calls.length, 0);
  });

  test("content is not kept without a bucket, and the admin API says why", async () => {
    const { key } = await mint("open");
    const answer = await ask(key);
    await eventually("the row", async () => (await router.admin("GET", `requests/${answer.headers["x-request-id"]}`)).status === 200);
    const content = await router.admin("GET", `requests/${answer.headers["x-request-id"]}/content`);
    assert.deepEqual([content.status, content.json.error.code], [503, "content_not_configured"]);
    assert.match(content.json.error.message, /CONTENT.*SEAL_KEY/);
    assert.equal((await router.admin("GET", "me")).json.content.available, false);
  });
});
