// node bench/ledger.mjs: time of reserving and of settling in a Ledger with 1,000 and with 1,000,000 rows of history, on one workerd,
// interleaved. Prints medians of the rounds and their ratio, which must stay below 1.3: history must not matter.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { routerWorker } from "../tests/worker/harness.mjs";
import { median } from "./load.mjs";

const HISTORIES = { small: 1_000, large: 1_000_000 };
const ROUNDS = 9;
const BAR = 1.3;
/** Reservations made at once, then settled at once: a stream in which settlements share rows. */
const PARALLEL = 50;
/** Settlements of one stored row of history. */
const CHUNK = 50;
const DAY = 86_400_000;

// Runs inside workerd, so that only the object is measured. The clock of a Worker moves with I/O, which is all there is here.
const DRIVER = `
  const ask = (stub, path, question) => stub.fetch("https://object" + path, { method: "POST", body: JSON.stringify(question) }).then((answer) => answer.json());
  export default {
    async fetch(request, env) {
      const { policy, parallel, round } = await request.json();
      const stub = env.LEDGER.get(env.LEDGER.idFromName(policy));
      const budgets = ["day", "week", "month", "total"].flatMap((window) => ["policy", "key"].map((scope) => ({ window, scope, hard: true, limit: 1e15 })));
      const ids = Array.from({ length: parallel }, (_, n) => round + "-" + n);
      const lines = [{ call: 0, stage: "request", target: "demo/fast", amount: 1000 }];
      await ask(stub, "/budgets", { policy, kids: ["k1"], rules: budgets });
      const begun = performance.now();
      const answers = await Promise.all(ids.map((id) => ask(stub, "/reserve", { id, policy, kid: "k1", lines, budgets, lease: 90000 })));
      const reserved = performance.now();
      const row = { request_id: "", at: new Date().toISOString(), policy, key_label: "", kid: "k1", requested_model: "demo/fast", served_model: "demo/fast", route: null,
        strategy: "direct", status: 200, stream: true, degraded: false, attempts: [{ role: "primary", outcome: "ok", target: "demo/fast", usage: { input_tokens: 7, output_tokens: 3 }, cost_usd: 0.0000005 }],
        ttft_ms: 1, duration_ms: 2, input_tokens: 0, output_tokens: 0, cached_tokens: 0, cost_usd: 0, session: null };
      await Promise.all(answers.map(({ granted }, n) => ask(stub, "/settle", [{ id: ids[n], seq: granted.ticket.seq, kid: "k1", keep_days: 60, row: { ...row, request_id: ids[n] } }])));
      return Response.json({ reserve: (reserved - begun) / parallel, settle: (performance.now() - reserved) / parallel });
    },
  };`;

function start(state) {
  const router = routerWorker();
  const driver = {
    name: "driver", compatibilityDate: router.compatibilityDate, modules: [{ type: "ESModule", path: "driver.mjs", contents: DRIVER }],
    durableObjects: { LEDGER: { className: "Ledger", scriptName: "clawrouter", useSQLite: true } }, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
  return new Miniflare(convertV4MiniflareOptions({ host: "127.0.0.1", port: 0, resourcePersistencePath: state, workers: [router, driver] }));
}

async function measure(miniflare, policy, round) {
  const url = await miniflare.unsafeGetDirectURL("driver");
  const answer = await fetch(url, { method: "POST", body: JSON.stringify({ policy, parallel: PARALLEL, round }) });
  if (!answer.ok) throw new Error(`the driver answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** Writes history into the objects' files: a table per day, as the Ledger does, 29 days back from yesterday. */
function writeHistory(state) {
  const files = readdirSync(state, { recursive: true }).map(String).filter((file) => file.endsWith(".sqlite"));
  const today = Math.floor(Date.now() / DAY);
  let written = 0;
  for (const file of files) {
    const database = new DatabaseSync(path.join(state, file));
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE name LIKE 'usage%'").all();
    if (tables.length === 0) { database.close(); continue; }
    const { rows } = database.prepare(`SELECT rows FROM ${tables[0].name} LIMIT 1`).get();
    const [row] = JSON.parse(rows);
    const chunks = HISTORIES[row.policy] / CHUNK;
    const columns = "seq INTEGER PRIMARY KEY, begun INTEGER NOT NULL, earliest INTEGER NOT NULL, postings TEXT NOT NULL, rows TEXT NOT NULL, traces TEXT NOT NULL";
    database.exec("BEGIN");
    for (let number = 0; number < chunks; number += 1) {
      const day = today - 29 + Math.floor((number * 29) / chunks);
      if (number === 0 || day !== today - 29 + Math.floor(((number - 1) * 29) / chunks)) database.exec(`CREATE TABLE IF NOT EXISTS usage_${day} (${columns})`);
      const at = day * DAY + number;
      const list = (item) => JSON.stringify(Array.from({ length: CHUNK }, (_, n) => item(n)));
      const posting = (n) => ({ seq: number * CHUNK + n, id: `h${number}-${n}`, kid: "k1", at, settled: at, amount: 500 });
      // Numbered below the first real posting's checkpoint, as history is.
      database.prepare(`INSERT INTO usage_${day} VALUES (?, ?, ?, ?, ?, ?)`).run(-1 - number, at, at, list(posting), list((n) => ({ ...row, request_id: `h${number}-${n}` })), "[]");
      written += CHUNK;
    }
    database.exec("COMMIT");
    database.close();
  }
  return written;
}

const state = mkdtempSync(path.join(tmpdir(), "ledger-bench-"));
try {
  let miniflare = start(state);
  await miniflare.ready;
  for (const policy of Object.keys(HISTORIES)) await measure(miniflare, policy, "seed");
  await miniflare.dispose();
  console.log(`\nledger, ${PARALLEL} at once; history: ${writeHistory(state).toLocaleString("en")} rows`);
  miniflare = start(state);
  await miniflare.ready;
  const rounds = { small: [], large: [] };
  for (const policy of Object.keys(HISTORIES)) await measure(miniflare, policy, "warm");
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const policy of round % 2 ? ["small", "large"] : ["large", "small"]) rounds[policy].push(await measure(miniflare, policy, `r${round}`));
  }
  await miniflare.dispose();
  for (const step of ["reserve", "settle"]) {
    const of = (policy) => median(rounds[policy].map((round) => round[step]));
    const ratio = median(rounds.large.map((round, index) => round[step] / rounds.small[index][step]));
    if (ratio > BAR) process.exitCode = 1;
    console.log(`${step}: ${of("small").toFixed(3)} ms with 1,000 rows, ${of("large").toFixed(3)} ms with 1,000,000 rows, ratio ${ratio.toFixed(2)} (at most ${BAR}: ${ratio > BAR ? "MISSED" : "met"})`);
  }
} finally {
  rmSync(state, { recursive: true, force: true });
}
