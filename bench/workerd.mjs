// The contestants on one bare workerd: the pass-through Worker and clawrouter, each on a direct socket of its own.
// Not `wrangler dev`, whose Node proxy costs several milliseconds a request.
import { readFileSync } from "node:fs";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { ADMIN_TOKEN, CALLER_KEY, routerWorker } from "../tests/worker/harness.mjs";
import { send } from "../tests/worker/http.mjs";

const HOST = "127.0.0.1";

/** Starts both Workers before the upstream at `upstreamUrl`: `{passthrough, clawrouter, stop}`, each `{url, headers, model}`. */
export async function startWorkers(upstreamUrl) {
  const socket = { unsafeDirectSockets: [{ host: HOST, port: 0 }] };
  const router = routerWorker();
  const contents = readFileSync(new URL("passthrough.js", import.meta.url), "utf8");
  const miniflare = new Miniflare(convertV4MiniflareOptions({
    host: HOST, port: 0,
    handleRuntimeStdio: (stdout, stderr) => { stdout.resume(); stderr.resume(); },
    workers: [
      { name: "passthrough", compatibilityDate: router.compatibilityDate, modules: [{ type: "ESModule", path: "passthrough.js", contents }], bindings: { UPSTREAM: upstreamUrl }, ...socket },
      router,
    ],
  }));
  await miniflare.ready;
  const urlOf = async (name) => (await miniflare.unsafeGetDirectURL(name)).origin;
  const clawrouter = await urlOf("clawrouter");
  await describeUpstream(clawrouter, upstreamUrl);
  return {
    passthrough: { url: await urlOf("passthrough"), headers: {}, model: "m" },
    clawrouter: { url: clawrouter, headers: { authorization: `Bearer ${CALLER_KEY}` }, model: "bench/m" },
    stop: () => miniflare.dispose(),
  };
}

async function describeUpstream(router, upstreamUrl) {
  const answer = await send(`${router}/admin/api/import`, {
    method: "POST", headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    body: {
      providers: [{ id: "bench", dialects: { chat: "/v1/chat/completions" }, base_url: upstreamUrl, auth: { scheme: "bearer" }, pool: "bench" }],
      pools: [{ id: "bench", keys: [{ label: "only", secret: "TEST_UPSTREAM_KEYA" }] }],
      models: ["m", "a1", "a2", "a3"].map((name) => ({ id: `bench/${name}`, provider: "bench", upstream: name, capabilities: ["chat"], context_window: 128000, max_output_tokens: 4096, price: { input: 1, output: 2 } })),
      fusion_profiles: [{ id: "bench", enabled: true, advisers: ["a1", "a2", "a3"].map((name) => ({ model: `bench/${name}` })), synthesizer: { model: "bench/m" } }],
    },
  });
  if (answer.status !== 200) throw new Error(`the router refused the bench catalog: ${answer.status} ${answer.text}`);
}
