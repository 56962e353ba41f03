// The fault-injection upstream: an HTTP server whose behaviour is scripted per call and which records every call.
// See README.md beside it. Standard library only.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { stepsOf } from "./acts.mjs";
import { play } from "./player.mjs";
import { chooseAct, compileRules } from "./rules.mjs";

const MAX_BODY_BYTES = 64 * 1024 * 1024;
const MAX_CALLS = 200_000;

/**
 * Starts the upstream on loopback.
 * Options: `port` (0 = any), `host` ("127.0.0.1"), `models` (ids listed at /v1/models), `script`, `keepCalls` (true; false for long load runs).
 * Answers `{url, port, calls, script(), reset(), until(), highWater(), inFlight(), close()}`.
 */
export async function startUpstream({ port = 0, host = "127.0.0.1", models = ["upstream-model"], script, keepCalls = true } = {}) {
  const state = { calls: [], rules: [], inFlight: 0, highWater: 0, served: 0, models, keepCalls };
  if (script) state.rules = compileRules(script);
  const server = createServer((request, response) => {
    handle(state, request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(599, { "content-type": "text/plain" });
      response.end(`upstream script failed: ${error.message}`);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.requestTimeout = 0;
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  const bound = server.address().port;
  return {
    port: bound,
    url: `http://${host}:${bound}`,
    calls: state.calls,
    /** Replaces all rules; call numbers start again. */
    script: (next) => { state.rules = compileRules(next); },
    /** Forgets calls, rules and the high-water mark. */
    reset: () => { state.calls.length = 0; state.rules = []; state.highWater = state.inFlight; state.served = 0; },
    /** Waits until `predicate(calls)` is truthy and answers its value; throws after `ms`. */
    until: (predicate, ms = 5000) => until(() => predicate(state.calls), ms),
    highWater: () => state.highWater,
    inFlight: () => state.inFlight,
    served: () => state.served,
    close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };
}

async function until(check, ms) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not reached within ${ms} ms: ${check}`);
    await sleep(5);
  }
}

async function handle(state, request, response) {
  const record = { n: ++state.served, at: Date.now(), method: request.method, status: null, bytesSent: 0, firstByteAt: null, endedAt: null, closedByClientAt: null };
  const url = new URL(request.url, "http://upstream");
  record.path = url.pathname;
  record.query = url.search;
  record.headers = request.headers;
  record.credential = credentialOf(request.headers, url);
  state.inFlight += 1;
  state.highWater = Math.max(state.highWater, state.inFlight);
  const left = new AbortController();
  response.once("close", () => {
    state.inFlight -= 1;
    if (record.endedAt === null) record.closedByClientAt = Date.now();
    record.endedAt ??= Date.now();
    left.abort();
  });
  record.raw = await readBody(request);
  record.body = parseJson(record.raw);
  record.model = record.body?.model ?? null;
  if (url.pathname.startsWith("/_")) return control(state, url, record, response);
  if (state.keepCalls && state.calls.length < MAX_CALLS) state.calls.push(record);
  record.act = chooseAct(state.rules, record, record.at);
  await play(stepsOf(record.act, { n: record.n, path: record.path, body: record.body, models: state.models }), response, left.signal, record);
}

function credentialOf(headers, url) {
  const bearer = /^Bearer (.*)$/i.exec(headers.authorization ?? "")?.[1];
  return bearer ?? headers["x-api-key"] ?? headers["api-key"] ?? headers["x-goog-api-key"] ?? url.searchParams.get("key") ?? null;
}

async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error(`request body above ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(buffer) {
  try {
    return JSON.parse(buffer.toString("utf8"));
  } catch {
    return null;
  }
}

// The out-of-process door: the same three operations over HTTP. Control calls are not recorded.
function control(state, url, record, response) {
  const reply = (status, body) => {
    record.endedAt = Date.now();
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const name = `${record.method} ${url.pathname}`;
  if (name === "POST /_script") {
    try {
      state.rules = compileRules(record.body);
    } catch (error) {
      return reply(400, { error: error.message });
    }
    return reply(200, { rules: state.rules.length });
  }
  if (name === "POST /_reset") {
    state.calls.length = 0;
    state.rules = [];
    state.highWater = 0;
    return reply(200, { reset: true });
  }
  if (name === "GET /_calls") {
    const calls = state.calls.map(({ raw, ...rest }) => ({ ...rest, raw_base64: raw.toString("base64") }));
    return reply(200, { calls, high_water: state.highWater, in_flight: state.inFlight - 1 });
  }
  return reply(404, { error: "known: POST /_script, POST /_reset, GET /_calls" });
}
