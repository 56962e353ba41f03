// Mixed faults at concurrency 16: no hung request, no duplicate or foreign text, no unanswered caller, memory flat.
// CLAWROUTER_SOAK_SECONDS sets the length (8 by default; 600 for the long run).
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { answerText } from "../upstream/index.mjs";
import { openCollector } from "./collector.mjs";
import { startRouter } from "./harness.mjs";
import { closeStages, setStage } from "./stage.mjs";

const SECONDS = Number(process.env.CLAWROUTER_SOAK_SECONDS ?? 8);
const CONCURRENCY = 16;
/** Longer than every deadline together: a request that takes this long hangs. */
const HUNG_MS = 20_000;
const TOKENS = 60;
/** Between two looks at memory. The first quarter of them is warming up: caches fill, the allocator finds its size. */
const LOOK_MS = 5000;

let router;
let collector;
// Rows belong on a disk: Miniflare without a folder keeps every one of them in workerd's memory.
const state = mkdtempSync(path.join(tmpdir(), "clawrouter-soak-"));
before(async () => {
  router = await startRouter({ state, inspected: true });
  collector = await openCollector(await router.inspectorUrl());
});
after(async () => {
  await closeStages();
  collector?.close();
  await router?.stop();
  rmSync(state, { recursive: true, force: true });
});

const answer = { do: "answer", tokens: TOKENS, interval_ms: 1 };
const FAULTS = [
  answer, answer, answer, answer,
  { do: "error", fixture: "openai/server_error" }, { do: "error", fixture: "openai/engine_overloaded" }, { do: "error", fixture: "openai/rate_limit_no_hint" },
  { do: "reset" }, { do: "html" }, { do: "empty_choices" }, { do: "silence" },
  { ...answer, cut: { at: 30, how: "reset" } }, { ...answer, cut: { at: 30, how: "error" } }, { ...answer, cut: { at: 45, how: "end" } },
  { ...answer, stall: { at: 20, ms: 5000 } }, { ...answer, done: false }, { ...answer, insert: [{ at: 7, raw: "data: {x\n\n" }] }, { ...answer, dribble: { bytes: 9 } }, { ...answer, first_token_ms: 3000 },
];

/** A repeatable order of faults, so that a failure can be seen again. */
function shuffled(count) {
  let state = 20261120;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return FAULTS[(state >>> 8) % FAULTS.length];
  });
}

test(`${SECONDS} s of mixed faults at concurrency ${CONCURRENCY}`, { timeout: SECONDS * 1000 + 120_000 }, async (context) => {
  const stage = await setStage(router, { keys: [1, 2, 3], primary: [...shuffled(2000), answer], fallback: answer });
  const whole = answerText(TOKENS);
  const counts = { whole: 0, error: 0, in_band_error: 0 };
  const memory = [];
  const stopAt = Date.now() + SECONDS * 1000;
  const caller = async (number) => {
    for (let turn = 0; Date.now() < stopAt; turn += 1) {
      const stream = (turn + number) % 2 === 0;
      const leaves = (turn + number) % 11 === 0;
      const got = await stage.ask({ stream, timeoutMs: HUNG_MS, ...(leaves ? { leaveAfter: 800 } : {}) });
      if (leaves && stream && got.leftAt) continue;
      assert.equal(got.failed, null, `unanswered or hung: ${got.failed} after ${got.took} ms`);
      counts[tellApart(got, whole, stream)] += 1;
    }
  };
  const watcher = async () => {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (Date.now() >= stopAt) return;
      memory.push(await look());
    }
  };
  await Promise.all([watcher(), ...Array.from({ length: CONCURRENCY }, (_, number) => caller(number))]);
  context.diagnostic(JSON.stringify({ ...counts, before_collecting_mb: memory.map(({ before }) => before), held_mb: memory.map(({ held }) => held) }));
  assert.ok(counts.whole > counts.error + counts.in_band_error, "most callers get their answer");
  checkFlat(memory.map(({ held }) => held), context);
  await stage.primary.until(() => stage.primary.inFlight() + stage.fallback.inFlight() === 0, 15_000);
  await stage.close();
});

// An answer is whole, or a designed error, or a beginning of the right text with an error event: nothing else.
function tellApart(got, whole, stream) {
  if (got.status !== 200) {
    assert.ok([429, 502, 503, 504].includes(got.status), `${got.status}: ${got.text.slice(0, 300)}`);
    assert.ok(got.json?.error?.code);
    return "error";
  }
  if (stream && got.inBandError) {
    assert.ok(whole.startsWith(got.content) && !got.done, "text that is not the answer's beginning");
    return "in_band_error";
  }
  assert.equal(got.content, whole);
  if (stream) assert.ok(got.done);
  return "whole";
}

// Resident megabytes before and after a garbage collection; on Linux only.
async function look() {
  const before = router.residentBytes();
  assert.ok((await collector.collect()) > 0, "no isolate has collected its garbage");
  return { before: megabytes(before), held: megabytes(router.residentBytes()) };
}

function megabytes(bytes) {
  return bytes === null ? null : Math.round(bytes / 1e6);
}

// What is held after warming up may not grow.
function checkFlat(held, context) {
  const warm = held.slice(Math.ceil(held.length / 4)).filter((sample) => sample !== null);
  if (warm.length < 8) return context.diagnostic(`memory not judged: ${warm.length} samples`);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [early, late] = [mean(warm.slice(0, warm.length / 2)), mean(warm.slice(warm.length / 2))];
  assert.ok(late < early * 1.05 + 5, `held memory grew from ${early} to ${late} MB`);
}
