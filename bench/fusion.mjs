// node bench/fusion.mjs: what a fusion with three advisers adds to its own calls when every model answers at once. Three ways to the same
// answer, interleaved in one run: the caller itself asks three advisers side by side and then the synthesizer (direct), it does so
// through a bare JavaScript pass-through Worker, and clawrouter does it. The bar: at most 6 ms at the median over direct.
import { fork } from "node:child_process";
import { once } from "node:events";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { median, quantile, runLoad } from "./load.mjs";
import { startWorkers } from "./workerd.mjs";

const ADVISERS = 3;
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const REQUESTS = 150;
const BAR_MS = 6;

const messages = [{ role: "system", content: "You are terse." }, { role: "user", content: "Benchmark me, please. ".repeat(20) }];
const call = (target, model, stream) => ({ url: `${target.url}/v1/chat/completions`, headers: target.headers, body: JSON.stringify({ model, messages, stream }), concurrency: 1, requests: 1, maxMs: 10_000 });

/** A caller that fuses by itself: drafts side by side, streamed, then the answer. */
async function byHand(target) {
  const latencies = [];
  for (let request = 0; request < REQUESTS; request += 1) {
    const startedAt = performance.now();
    const drafts = await Promise.all(Array.from({ length: ADVISERS }, () => runLoad(call(target, "m", true))));
    const answer = await runLoad(call(target, "m", false));
    if ([...drafts, answer].some(({ errors }) => errors.length > 0)) throw new Error(`a call to ${target.url} failed`);
    latencies.push(performance.now() - startedAt);
  }
  return latencies;
}

async function byRouter(target) {
  const { latencies, errors } = await runLoad({ ...call(target, "clawrouter/fusion:bench", false), requests: REQUESTS, maxMs: 60_000 });
  if (errors.length > 0) throw new Error(`${errors.length} fusions failed: ${[...new Set(errors)].join(", ")}`);
  return latencies;
}

const upstream = fork(fileURLToPath(new URL("upstream.mjs", import.meta.url)));
const [{ port }] = await once(upstream, "message");
const direct = { url: `http://127.0.0.1:${port}`, headers: {} };
const workers = await startWorkers(direct.url);
try {
  const contestants = { direct: () => byHand(direct), passthrough: () => byHand(workers.passthrough), clawrouter: () => byRouter(workers.clawrouter) };
  const rounds = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (const measure of Object.values(contestants)) await measure();
  for (let round = 0; round < ROUNDS; round += 1) {
    const names = Object.keys(contestants);
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length];
      const latencies = await contestants[name]();
      rounds[name].push({ p50: quantile(latencies, 0.5), p95: quantile(latencies, 0.95) });
    }
  }
  console.log(`\nfusion: ${ADVISERS} advisers (50 tokens each, streamed), one synthesizer, models that answer at once, concurrency 1`);
  for (const [name, figures] of Object.entries(rounds)) {
    const of = (field) => median(figures.map((figure) => figure[field])).toFixed(2).padStart(8);
    console.log(`  ${name.padEnd(12)} p50 ${of("p50")} ms  p95 ${of("p95")} ms`);
  }
  const added = median(rounds.clawrouter.map((round, index) => round.p50 - rounds.direct[index].p50));
  const met = added <= BAR_MS;
  console.log(`  added by clawrouter at the median: ${added.toFixed(2)} ms (at most ${BAR_MS}: ${met ? "met" : "MISSED"})`);
  if (!met) process.exitCode = 1;
} finally {
  await workers.stop();
  upstream.disconnect();
}
