// The Ledger object alone, in workerd, spoken to as the Worker speaks to it: money that cannot be overdrawn, counted once, and is
// still there after the process was killed.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { routerWorker } from "./harness.mjs";

const NANO = 1_000_000_000;
let state;
let miniflare;

async function start() {
  miniflare = new Miniflare(convertV4MiniflareOptions({ host: "127.0.0.1", port: 0, resourcePersistencePath: state, workers: [routerWorker()] }));
  await miniflare.ready;
}

/** Asks the Ledger `name`: `ledger("team", "/reserve", {...})`. */
async function ledger(name, where, question = {}) {
  const namespace = await miniflare.getDurableObjectNamespace("LEDGER", "clawrouter");
  const answer = await namespace.get(namespace.idFromName(name)).fetch(`https://object${where}`, { method: "POST", body: JSON.stringify(question) });
  const text = await answer.text();
  assert.equal(answer.status, 200, `${where}: ${text}`);
  return JSON.parse(text);
}

/** Settles one request; the Ledger takes any number at once. */
const settle = async (name, request) => (await ledger(name, "/settle", [request]))[0];

const reservation = (policy, id, amount, extra = {}) => ({
  id,
  policy,
  kid: "k1",
  lines: [{ call: 0, stage: "request", target: "demo/fast", amount }],
  tokens: 10,
  budgets: [{ window: "total", scope: "policy", hard: true, limit: NANO }],
  rates: [],
  providers: [],
  lease: 90_000,
  ...extra,
});

const settlement = (policy, id, seq, cost, extra = {}) => ({
  id,
  seq,
  kid: "k1",
  keep_days: 30,
  row: {
    request_id: `req-${id}`,
    at: new Date().toISOString(),
    policy,
    key_label: "ci",
    kid: "k1",
    requested_model: "demo/fast",
    served_model: "demo/fast",
    route: null,
    strategy: "direct",
    status: 200,
    stream: true,
    degraded: false,
    attempts: [{ role: "primary", outcome: "ok", target: "demo/fast", usage: { input_tokens: 7, output_tokens: 3 }, cost_usd: cost / NANO }],
    ttft_ms: 5,
    duration_ms: 9,
    input_tokens: 0,
    output_tokens: 0,
    cached_tokens: 0,
    cost_usd: 0,
    session: null,
  },
  trace: { reserved_usd: 0, spans: [], explanation: { strategy: "direct" }, content: { kept: false } },
  ...extra,
});

async function budget(policy) {
  const rules = [{ window: "total", scope: "policy", hard: true, limit: NANO }];
  const [[one]] = await ledger(policy, "/budgets", { policy, kids: ["k1"], rules });
  return one;
}

const list = (policy, filter = {}) => ledger(policy, "/requests", { policy, filter: { limit: 50, ...filter } });

describe("Ledger", () => {
  before(async () => {
    state = mkdtempSync(path.join(os.tmpdir(), "ledger-"));
    await start();
  });
  after(async () => {
    await miniflare.dispose();
    rmSync(state, { recursive: true, force: true });
  });

  test("fifty at once against a budget for ten: exactly ten", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => ledger("ten", "/reserve", reservation("ten", `r${n}`, NANO / 10))));
    assert.equal(answers.filter((answer) => answer.granted).length, 10);
    assert.equal(answers.find((answer) => answer.refused).refused.budget.budget.remaining_usd, 0);
    assert.equal((await budget("ten")).reserved_usd, 1);
  });

  test("settling twice is settling once, and the row is there once", async () => {
    const { granted } = await ledger("twice", "/reserve", reservation("twice", "a", 1000));
    const asked = settlement("twice", "a", granted.ticket.seq, 400);
    const [one, two] = await Promise.all([settle("twice", asked), settle("twice", asked)]);
    assert.deepEqual([one.outcome, two.outcome].sort(), ["already_settled", "settled"]);
    const { spent_usd, reserved_usd } = await budget("twice");
    assert.deepEqual([spent_usd, reserved_usd], [0.0000004, 0]);
    assert.deepEqual((await list("twice")).items.map((item) => item.row.request_id), ["req-a"]);
  });

  test("many settlements at once are all kept, in order, and add up", async () => {
    for (let round = 0; round < 6; round += 1) {
      const names = Array.from({ length: 50 }, (_, n) => `b${round}-${n}`);
      await Promise.all(names.map((name) => settle("burst", settlement("burst", name, undefined, 1_000_000))));
    }
    assert.equal((await budget("burst")).spent_usd, 0.3);
    const seen = new Set();
    let cursor;
    do {
      const page = await list("burst", { limit: 70, ...(cursor ? { cursor } : {}) });
      page.items.forEach((item) => seen.add(item.row.request_id));
      cursor = page.reached;
    } while (cursor);
    assert.equal(seen.size, 300);
    const query = { group: "model", from: Date.now() - 3_600_000, to: Date.now() + 3_600_000 };
    const usage = await ledger("burst", "/usage", { policy: "burst", query });
    assert.deepEqual([usage["demo/fast"].requests, usage["demo/fast"].cost_usd, usage["demo/fast"].input_tokens], [300, 0.3, 2100]);
  });

  test("a request is found with its trace, and only by its own key", async () => {
    await settle("find", settlement("find", "f", undefined, 5));
    const found = await ledger("find", "/request", { request_id: "req-f", kid: "k1" });
    assert.equal(found.trace.explanation.strategy, "direct");
    assert.equal(await ledger("find", "/request", { request_id: "req-f", kid: "k2" }), null);
    assert.equal(await ledger("find", "/request", { request_id: "no\"such" }), null);
  });

  test("a revoked key is refused", async () => {
    await ledger("revoke", "/revoke", { kid: "k1", at: 1 });
    assert.deepEqual((await ledger("revoke", "/reserve", reservation("revoke", "r", 1))).refused, { revoked: { at: 1 } });
  });

  test("what is paused is refused until it is on again, also after a restart", async () => {
    const ask = (id) => ledger("pause", "/reserve", reservation("pause", id, 1));
    for (const [name, kid, expected] of [["the key", "k1", "paused"], ["the policy", null, "policy_off"]]) {
      assert.equal(await ledger("pause", "/pause", { kid, paused: true }), true);
      assert.equal(await ledger("pause", "/pause", { kid, paused: true }), false, "twice is once");
      assert.equal((await ask(`refused ${name}`)).refused, expected);
      await miniflare.dispose();
      await start();
      assert.equal((await ask(`still refused ${name}`)).refused, expected);
      assert.equal(await ledger("pause", "/pause", { kid, paused: false }), true);
      assert.ok((await ask(`on again ${name}`)).granted);
    }
    await ledger("pause", "/pause", { kid: "k2", paused: true });
    assert.ok((await ask("another key")).granted);
  });

  test("a provider's cap holds over policies and gives back what was not used", async () => {
    const providers = [{ provider: "demo", limit: 1000, amount: 600, required: true }];
    const ask = (policy, id) => ledger(policy, "/reserve", reservation(policy, id, 600, { providers }));
    const { granted } = await ask("cap-a", "a");
    const { refused } = await ask("cap-b", "b");
    assert.equal(refused.provider_budget.provider, "demo");
    assert.equal((await budget("cap-b")).reserved_usd, 0);
    await settle("cap-a", settlement("cap-a", "a", granted.ticket.seq, 100));
    assert.ok((await ask("cap-b", "c")).granted);
    const optional = [{ provider: "demo", limit: 1000, amount: 600, required: false }];
    const third = await ledger("cap-c", "/reserve", reservation("cap-c", "d", 600, { providers: optional }));
    assert.deepEqual(third.granted.capped_providers, ["demo"]);
  });

  test("an expired lease is settled at its last known usage and has a row", async () => {
    const { granted } = await ledger("lease", "/reserve", reservation("lease", "l", 1000, { lease: 2_000 }));
    const beat = { ticket: granted.ticket, known: [{ call: 0, amount: 300 }], lease: 0 };
    assert.deepEqual(await ledger("lease", "/heartbeat", beat), { open: true });
    const deadline = Date.now() + 20_000;
    let state;
    do state = await budget("lease");
    while (state.reserved_usd > 0 && Date.now() < deadline);
    assert.deepEqual([state.spent_usd, state.reserved_usd], [0.0000003, 0]);
    const [{ row }] = (await list("lease")).items;
    assert.deepEqual([row.class, row.cost_usd], ["lease_expired", 0.0000003]);
    const late = await settle("lease", settlement("lease", "l", granted.ticket.seq, 450));
    assert.deepEqual(late, { outcome: "topped_up", charged: 150 });
    const rows = (await list("lease")).items.map((item) => item.row.cost_usd);
    assert.deepEqual(rows, [0.00000015, 0.0000003], "rows add up to what was charged");
  });

  test("after a restart everything settled and everything open is still there", async () => {
    const open = (await ledger("restart", "/reserve", reservation("restart", "open", 1000))).granted.ticket;
    await ledger("restart", "/heartbeat", { ticket: open, known: [{ call: 0, amount: 200 }], lease: 90_000 });
    for (let n = 0; n < 10; n += 1) {
      const { granted } = await ledger("restart", "/reserve", reservation("restart", `s${n}`, 1000));
      await settle("restart", settlement("restart", `s${n}`, granted.ticket.seq, 10));
    }
    const earlier = await budget("restart");
    await miniflare.dispose();
    await start();
    assert.deepEqual(await budget("restart"), earlier);
    assert.deepEqual([earlier.spent_usd, earlier.reserved_usd], [0.0000001, 0.000001]);
    const again = await settle("restart", settlement("restart", "s3", 8, 10));
    assert.equal(again.outcome, "already_settled");
    const settled = await settle("restart", settlement("restart", "open", open.seq, 250));
    assert.deepEqual(settled, { outcome: "settled", charged: 250 });
    const { ever, counters, open: count } = await ledger("restart", "/metrics");
    assert.deepEqual(counters.attempts, [[["demo/fast", "ok"], 11]]);
    assert.deepEqual([ever.reduce((sum, [, , sums]) => sum + sums.requests, 0), count], [11, 0]);
    assert.equal((await ledger("revoke", "/reserve", reservation("revoke", "r", 1))).refused.revoked.at, 1);
  });
});
