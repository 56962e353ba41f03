// workerd killed in the middle of a stream: what was settled is still there, and the open reservation is settled at its last known usage.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

const CHAT = "/v1/chat/completions";
/** Longer than the heartbeat's 20 s, so that the Ledger has heard of some usage. */
const HEARD_MS = 23_000;
/** A lease is 90 s from its last heartbeat. */
const LEASE_MS = 95_000;

const skip = existsSync("/proc/self/task") ? false : "needs /proc";

test("a killed workerd loses no settled money, and an open lease is settled", { timeout: 240_000, skip }, async () => {
  const state = mkdtempSync(path.join(os.tmpdir(), "clawrouter-killed-"));
  const timeouts = { headers_ms: 10_000, first_token_ms: 10_000, stall_ms: 60_000, total_ms: 120_000 };
  const upstream = await startUpstream();
  const catalog = catalogOf(providerAt("p", upstream, { timeouts }), { models: [modelOf("p", "m", { price: { input: 1000, output: 2000, effective: "2026-01-01", source: "test" } })], policies: [{ id: "paid", budgets: [{ window: "total", limit_usd: 1000 }] }] });
  let router = await startRouter({ state, catalog });
  try {
    const { key } = (await router.admin("POST", "keys", { policy: "paid" })).json;
    const budget = async () => (await router.call("/v1/key", undefined, { key })).json.budgets[0];
    for (let turn = 0; turn < 3; turn += 1) assert.equal((await router.call(CHAT, chat("p/m", { max_tokens: 100 }), { key })).status, 200);
    let settled;
    for (let turn = 0; turn < 100; turn += 1) {
      settled = await budget();
      if (settled.reserved_usd === 0 && settled.spent_usd > 0) break;
      await sleep(50);
    }
    assert.ok(settled.spent_usd > 0 && settled.reserved_usd === 0, JSON.stringify(settled));
    upstream.script({ do: "answer", tokens: 2_000, interval_ms: 50 });
    const { response } = await router.open(CHAT, chat("p/m", { stream: true, max_tokens: 4_000 }), { key });
    response.resume();
    await sleep(HEARD_MS);
    const open = await budget();
    assert.ok(open.reserved_usd > 0 && open.spent_usd === settled.spent_usd, JSON.stringify(open));
    router.kill();
    await router.stop().catch(() => {});
    router = await startRouter({ state });
    const after = await budget();
    assert.deepEqual([after.spent_usd, after.reserved_usd], [open.spent_usd, open.reserved_usd], "settled money and the open reservation are still there");
    await sleep(LEASE_MS - 20_000);
    let last;
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(1_000)) {
      last = await budget();
      if (last.reserved_usd === 0) break;
    }
    assert.equal(last.reserved_usd, 0, "the lease ended");
    assert.ok(last.spent_usd > settled.spent_usd, "what the heartbeat had told is charged");
    assert.ok(last.spent_usd < settled.spent_usd + open.reserved_usd, "and not the whole reservation");
    const rows = (await router.admin("GET", "requests?limit=100&policy=paid")).json.items;
    const row = rows.find((row) => row.class === "lease_expired");
    const sum = rows.reduce((total, row) => total + row.cost_usd, 0);
    assert.ok(row?.cost_usd > 0 && Math.abs(sum - last.spent_usd) < 1e-6, "rows add up to the budget");
  } finally {
    await router.stop().catch(() => {});
    await upstream.close();
    rmSync(state, { recursive: true, force: true });
  }
});
