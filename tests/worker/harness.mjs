// The real wasm in workerd, from the real wrangler.toml, with fresh state and test secrets. One router per test file.
//
// Miniflare's direct socket instead of wrangler's test server: the latter puts a proxy Worker in front, which hides a
// caller's hang-up from the Worker under test.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from "wrangler";
import { open, parseEvents, send } from "./http.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BUILD = process.env.TRY_BUILD ?? path.join(ROOT, "build");

/** The caller key, the admin token and the upstream secrets that every test router knows. */
export const CALLER_KEY = "clawrouter-test-testkid1-Xq8vR2mT5nB7cL9wK3jH6pZ4";
export const ADMIN_TOKEN = "admin-token-for-tests-9f8e7d6c5b4a";
export const secretName = (index) => `TEST_UPSTREAM_KEY${"ABCDEFGHIJ"[index - 1]}`;
export const secretValue = (index) => `sk-upstream-secret-${index}-do-not-leak`;
const SECRETS = 10;

/**
 * Starts a router. `vars` are added to (or replace) the test ones; `catalog` is imported before the first request;
 * `state` is a folder that outlives the router; `broken` (`{bindings, how: "throw" | "hang"}`) puts Durable Objects out of order;
 * `inspected` opens workerd's inspector (`inspectorUrl()`); `around` may change Miniflare's description of the Worker and answers further Workers (`proxies.mjs`).
 */
export async function startRouter({ vars = {}, catalog, state, broken, around, inspected = false } = {}) {
  const logs = [];
  const miniflare = new Miniflare(convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: 0,
    ...(state ? { resourcePersistencePath: state } : {}),
    ...(inspected ? { inspectorPort: 0 } : {}),
    handleRuntimeStdio: (stdout, stderr) => {
      for (const stream of [stdout, stderr]) stream.on("data", (chunk) => logs.push(chunk.toString("utf8")));
    },
    workers: broken ? outOfOrder(routerWorker(vars), broken) : surrounded(routerWorker(vars), around),
  }));
  await miniflare.ready;
  const base = (await miniflare.unsafeGetDirectURL("clawrouter")).origin;
  const router = {
    url: base,
    key: CALLER_KEY,
    /** What workerd printed so far. */
    logs: () => logs.join(""),
    /** One request as the test caller: `{status, headers, text, json, took, failed}`. `body` may be a string of raw bytes. */
    call: (where, body, options = {}) => send(base + where, { method: body === undefined ? "GET" : "POST", ...options, body, headers: callerHeaders(options) }),
    /** A streamed request, with `stream: true` put into an object body: `call`'s answer plus parsed `events`. */
    stream: async (where, body, options = {}) => {
      const asked = typeof body === "string" ? body : { ...body, stream: true };
      const answer = await send(base + where, { method: "POST", ...options, body: asked, headers: callerHeaders(options) });
      return { ...answer, events: parseEvents(answer.chunks) };
    },
    /** A request whose response is read by the test: `{response, leave()}`. */
    open: (where, body, options = {}) => open(base + where, { method: "POST", ...options, body, headers: callerHeaders(options) }),
    /** One call of the admin API with the admin token: `admin("PUT", "providers/x", document, {"if-none-match": "*"})`. */
    admin: (method, where, body, headers = {}) => send(`${base}/admin/api/${where}`, { method, body, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers } }),
    /** Merges a catalog document; throws with the answer when it is refused. */
    importCatalog: async (document) => {
      const answer = await router.admin("POST", "import", document);
      if (answer.status !== 200) throw new Error(`import answered ${answer.status}: ${answer.text}`);
      return answer.json;
    },
    /** An R2 bucket that `around` has bound. */
    bucket: (binding) => miniflare.getR2Bucket(binding, "clawrouter"),
    /** Asks a Durable Object as the Worker does, past this isolate's memory: `askObject("REGISTRY", "registry", "/keys/get", kid)`. */
    askObject: async (binding, name, where, question) => {
      const namespace = await miniflare.getDurableObjectNamespace(binding, "clawrouter");
      const answer = await namespace.get(namespace.idFromName(name)).fetch(`https://object${where}`, { method: "POST", body: JSON.stringify(question) });
      const text = await answer.text();
      if (answer.status !== 200) throw new Error(`${where} answered ${answer.status}: ${text}`);
      return JSON.parse(text);
    },
    /** Kills workerd without a chance to finish anything; on Linux only. Then `stop()`. */
    kill: () => killWorkerd(),
    /** Resident memory of workerd in bytes; null where /proc does not tell. */
    residentBytes: () => residentBytes(),
    inspectorUrl: async () => String(await miniflare.getInspectorURL()).replace(/^ws/, "http"),
    stop: () => miniflare.dispose(),
  };
  if (catalog) await router.importCatalog(catalog);
  return router;
}

function surrounded(worker, around) {
  return [worker, ...(around?.(worker) ?? [])];
}

function workerdPid() {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").trim().split(" ");
  return children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "workerd");
}

function killWorkerd() {
  process.kill(Number(workerdPid()), "SIGKILL");
}

// Miniflare does not name its child; on Linux it is this process's child called workerd.
function residentBytes() {
  try {
    const workerd = workerdPid();
    return workerd ? Number(readFileSync(`/proc/${workerd}/statm`, "utf8").split(" ")[1]) * 4096 : null;
  } catch {
    return null;
  }
}

function callerHeaders({ key = CALLER_KEY, headers = {} }) {
  return { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers };
}

/** Miniflare's description of the built Worker, named `clawrouter`, with a direct socket. */
export function routerWorker(vars = {}) {
  const { workerOptions: options } = workerOptionsOf(path.join(ROOT, "wrangler.toml"));
  delete options.modulesRules;
  return {
    ...options,
    name: "clawrouter",
    modules: builtModules(),
    modulesRoot: BUILD,
    bindings: { ...options.bindings, ...testVars(), ...vars },
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
}

function testVars() {
  const vars = { ENVIRONMENT: "local", DEV_KEY: CALLER_KEY, ADMIN_TOKEN };
  for (let index = 1; index <= SECRETS; index += 1) vars[secretName(index)] = secretValue(index);
  return vars;
}

// The bindings lead to a class of another Worker that throws, or never answers.
function outOfOrder(router, { bindings, how }) {
  const act = how === "hang" ? "await new Promise(() => {});" : 'throw new Error("out of order");';
  const contents = `import { DurableObject } from "cloudflare:workers";
    export class Broken extends DurableObject { async fetch() { ${act} } }
    export default { fetch() { return new Response("broken"); } };`;
  for (const binding of bindings) router.durableObjects[binding] = { className: "Broken", scriptName: "broken", useSQLite: true };
  return [router, { name: "broken", compatibilityDate: router.compatibilityDate, modules: [{ type: "ESModule", path: "broken.mjs", contents }], durableObjects: { BROKEN: { className: "Broken", useSQLite: true } } }];
}

// `build/index.js` first (the entry), then everything it may import.
function builtModules() {
  if (!existsSync(path.join(BUILD, "index.js"))) throw new Error("build/index.js is missing: run `npm run build` first");
  const types = { ".js": "ESModule", ".mjs": "ESModule", ".wasm": "CompiledWasm" };
  const files = readdirSync(BUILD, { recursive: true }).map(String).filter((file) => types[path.extname(file)]);
  files.sort((left, right) => (right === "index.js") - (left === "index.js") || left.localeCompare(right));
  return files.map((file) => ({ type: types[path.extname(file)], path: path.join(BUILD, file), contents: readFileSync(path.join(BUILD, file)) }));
}
