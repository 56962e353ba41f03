// node bench/chat.mjs: direct upstream, bare JS pass-through Worker and clawrouter in one run on one workerd, interleaved;
// whole and streamed answers at concurrency 1 and 16. Prints p50, p95, requests a second and ratios (medians of the rounds).
import { fork } from "node:child_process";
import { once } from "node:events";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, quantile, runLoad } from "./load.mjs";
import { startWorkers } from "./workerd.mjs";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    requests: { type: "string", default: "400" },
    "max-ms": { type: "string", default: "3000" },
    json: { type: "boolean", default: false },
  },
});
const ROUNDS = Number(options.rounds);
const REQUESTS = Number(options.requests);
/** One contestant, one round, one case; bounds the whole run to rounds x 3 x 4 x this. */
const MAX_MS = Number(options["max-ms"]);
const CASES = [{ stream: false, concurrency: 1 }, { stream: false, concurrency: 16 }, { stream: true, concurrency: 1 }, { stream: true, concurrency: 16 }];
const CONTESTANTS = ["direct", "passthrough", "clawrouter"];

function bodyFor(model, stream) {
  const messages = [{ role: "system", content: "You are terse." }, { role: "user", content: "Benchmark me, please. ".repeat(20) }];
  return JSON.stringify({ model, messages, temperature: 0.2, ...(stream ? { stream: true } : {}) });
}

async function measure(target, { stream, concurrency }, requests) {
  const load = await runLoad({
    url: `${target.url}/v1/chat/completions`, headers: target.headers, body: bodyFor(target.model, stream), concurrency, requests, maxMs: MAX_MS,
  });
  if (load.errors.length > 0) throw new Error(`${load.errors.length} of ${requests} requests to ${target.url} failed: ${[...new Set(load.errors)].join(", ")}`);
  return {
    p50: quantile(load.latencies, 0.5), p95: quantile(load.latencies, 0.95), first: quantile(load.firstBytes, 0.5),
    rate: load.latencies.length / load.seconds, bytes: load.bytes / load.latencies.length,
  };
}

// The order of the contestants rotates, so that none always runs after the same other.
async function runCase(targets, what) {
  const rounds = Object.fromEntries(CONTESTANTS.map((name) => [name, []]));
  for (const name of CONTESTANTS) await measure(targets[name], what, Math.min(REQUESTS, 100));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let turn = 0; turn < CONTESTANTS.length; turn += 1) {
      const name = CONTESTANTS[(round + turn) % CONTESTANTS.length];
      rounds[name].push(await measure(targets[name], what, what.concurrency === 1 ? REQUESTS : REQUESTS * 4));
    }
  }
  return rounds;
}

function summary(rounds) {
  const of = (name, field) => median(rounds[name].map((round) => round[field]));
  // Ratios are taken within a round, then their median: a slow moment of the machine touches both sides.
  const ratio = (name, base, field) => median(rounds[name].map((round, index) => round[field] / rounds[base][index][field]));
  return CONTESTANTS.map((name) => ({
    name, p50: of(name, "p50"), p95: of(name, "p95"), first: of(name, "first"), rate: of(name, "rate"),
    rate_vs_passthrough: ratio(name, "passthrough", "rate"), p50_vs_passthrough: ratio(name, "passthrough", "p50"),
    added_p50: median(rounds[name].map((round, index) => round.p50 - rounds.direct[index].p50)),
  }));
}

function print(results) {
  const number = (value, digits = 2) => value.toFixed(digits).padStart(9);
  for (const { what, rows } of results) {
    console.log(`\n${what.stream ? "streamed (50 tokens)" : "whole"}, concurrency ${what.concurrency}`);
    console.log(`  ${"".padEnd(12)}   p50 ms    p95 ms  first ms     req/s   rate/js   p50/js  p50 - direct`);
    for (const row of rows) {
      console.log(`  ${row.name.padEnd(12)}${number(row.p50)} ${number(row.p95)} ${number(row.first)} ${number(row.rate, 0)} ${number(row.rate_vs_passthrough)}${number(row.p50_vs_passthrough)} ${number(row.added_p50)} ms`);
    }
  }
}

const upstream = fork(fileURLToPath(new URL("upstream.mjs", import.meta.url)));
const [{ port }] = await once(upstream, "message");
const direct = { url: `http://127.0.0.1:${port}`, headers: {}, model: "m" };
const workers = await startWorkers(direct.url);
try {
  const results = [];
  for (const what of CASES) results.push({ what, rows: summary(await runCase({ direct, ...workers }, what)) });
  const machine = { cpu: cpus()[0]?.model.trim(), cores: cpus().length, node: process.version, load: loadavg()[0].toFixed(1), rounds: ROUNDS, requests: REQUESTS };
  if (options.json) {
    console.log(JSON.stringify({ machine, results }));
  } else {
    console.log(`${machine.cores} x ${machine.cpu}, node ${machine.node}, load ${machine.load}; median of ${ROUNDS} interleaved rounds; js = bare JavaScript pass-through Worker on the same workerd`);
    print(results);
  }
} finally {
  await workers.stop();
  upstream.disconnect();
}
