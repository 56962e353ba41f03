// Random calls of every route, seeded: no 500, no unanswered call, and the Worker lives on. CLAWROUTER_FUZZ_SEED and _CALLS repeat or extend a run.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

const SEED = Number(process.env.CLAWROUTER_FUZZ_SEED ?? 20261121);
const CALLS = Number(process.env.CLAWROUTER_FUZZ_CALLS ?? 3000);
const AT_ONCE = 12;

const CALLER = ["/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model}", "/v1/catalog", "/v1/route", "/debug/route", "/v1/usage", "/v1/key", "/v1/traces/{id}", "/healthz", "/v1", "/", "/admin", "/admin/{id}", "/{id}"];
const COLLECTIONS = ["providers", "models", "pools", "routes", "fusion-profiles", "policies", "settings"];
const ADMIN = [
  "session", "me", "setup", "keys", "keys/{id}/revoke", "keys/{id}/rotate", "pools/{id}/credentials", "pools/{id}/credentials/{id}", "pools/{id}/reset", "models/{model}/verify", "local/discover",
  ...["draft", "readiness", "enable", "disable", "test"].map((call) => `fusion-profiles/{id}/${call}`), "candidates", "health/targets", "sessions", "sessions/{id}", "requests", "requests/{id}",
  "requests/{id}/content", "usage", "metrics", "route/explain", "audit", "export", "import", ...COLLECTIONS.flatMap((name) => [name, `${name}/{id}`, `${name}/{id}/history`, `${name}/{id}/rollback`]),
].map((where) => `/admin/api/${where}`);
const METHODS = ["GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
const WORDS = ["", "default", "p", "p/m", "demo/fast", "clawrouter/fusion", "clawrouter/auto", "../..", "%", "%zz", "é", "\u0000", "a".repeat(300), "-1", "1e999", "null", "__proto__", "*", "openai", "day", "2026-11-21T00:00:00Z"];
const FIELDS = ["model", "messages", "role", "content", "stream", "tools", "input", "n", "max_tokens", "session_id", "clawrouter", "provider", "models", "id", "policy", "label", "principal", "expires", "value", "revision", "draft", "prompt", "base_url", "token", "allow", "budgets", "limit_usd", "window", "rate", "rpm", "advisers", "synthesizer", "enabled", "targets", "keys", "price", "input", "auth", "scheme", "transport", "kind", "dialects", "overlap_hours", "base_revision", "member_policies", "content_days"];
const QUERIES = ["limit", "cursor", "q", "status", "policy", "key", "from", "to", "group", "everywhere", "x"];
const HEADERS = ["content-type", "if-match", "if-none-match", "x-request-id", "x-session-id", "traceparent", "anthropic-version", "cookie", "origin", "sec-fetch-site", "x-clawrouter-csrf", "x-api-key", "cf-access-jwt-assertion", "accept-encoding"];

/** Repeatable randomness (mulberry32). */
function dice(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, of: (list) => list[Math.floor(next() * list.length)], chance: (share) => next() < share };
}

function value(random, depth = 0) {
  const kind = random.next();
  if (depth > 4 || kind < 0.35) return random.of([...WORDS, 0, -1, 1.5, 2 ** 53, true, false, null, "user"]);
  if (kind < 0.55) return Array.from({ length: Math.floor(random.next() * 4) }, () => value(random, depth + 1));
  return Object.fromEntries(Array.from({ length: Math.floor(random.next() * 6) }, () => [random.of(FIELDS), value(random, depth + 1)]));
}

/** Bodies that are nearly right go deeper than noise does. */
function body(random) {
  const kind = random.next();
  if (kind < 0.15) return undefined;
  if (kind < 0.25) return random.of(["", "{", "[]", "null", "\u0000", '{"model":1e400}', "[".repeat(500), '{"a":1,"a":2}']);
  if (kind < 0.5) return { ...chat(random.of(["p/m", "demo/fast", "clawrouter/fusion", "clawrouter/r"])), [random.of(FIELDS)]: value(random) };
  if (kind < 0.65) return { id: random.of(WORDS), [random.of(FIELDS)]: value(random), [random.of(FIELDS)]: value(random) };
  return value(random);
}

function request(random) {
  const isAdmin = random.chance(0.6);
  const word = () => encodeURIComponent(random.of(WORDS)) || "x";
  const template = random.of(isAdmin ? ADMIN : CALLER);
  const where = template.replaceAll(/\{(id|model)\}/g, () => (random.chance(0.9) ? word() : random.of(["%E0%A4%A", "..%2f", "a/b"])));
  const query = random.chance(0.3) ? `?${random.of(QUERIES)}=${word()}&${random.of(QUERIES)}=${word()}` : "";
  const plain = (text) => text.replaceAll(/[^\x20-\x7e]/g, "");
  const headers = {};
  for (let count = Math.floor(random.next() * 3); count > 0; count -= 1) headers[random.of(HEADERS)] = plain(random.of([...WORDS, '"1"', "application/json", "1", "same-origin", "cr_admin=abc"]));
  if (random.chance(0.5)) headers["if-none-match"] = "*";
  const method = random.of(METHODS);
  return { isAdmin, where: where + query, method, headers, body: ["GET", "HEAD", "OPTIONS"].includes(method) ? undefined : body(random) };
}

let upstream;
let router;
before(async () => {
  upstream = await startUpstream({ keepCalls: false });
  router = await startRouter({
    vars: { SEAL_KEY: Buffer.alloc(32, 3).toString("base64") },
    catalog: catalogOf(providerAt("p", upstream), { models: [modelOf("p", "m")], routes: [{ id: "r", targets: [{ model: "p/m" }] }], fusion_profiles: [{ id: "default", enabled: true, advisers: [{ model: "p/m" }], synthesizer: { model: "p/m" } }] }),
  });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});

test(`${CALLS} random calls, seed ${SEED}`, { timeout: 280_000 }, async (context) => {
  const random = dice(SEED);
  const calls = Array.from({ length: CALLS }, () => request(random));
  const wrong = [];
  const statuses = {};
  let at = 0;
  const work = async () => {
    while (at < calls.length) {
      const { isAdmin, where, method, headers, body } = calls[at++];
      const answer = isAdmin
        ? await router.admin(method, where.slice("/admin/api/".length), body, headers)
        : await router.call(where, body, { method, headers, timeoutMs: 60_000 });
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      const isAnswered = answer.status !== null && answer.failed === null;
      const isDesigned = answer.status < 400 || method === "HEAD" || answer.json?.error?.code || !answer.headers["content-type"]?.includes("json");
      if (!isAnswered || answer.status === 500 || !isDesigned) wrong.push(`${method} ${where} ${JSON.stringify(headers)} ${JSON.stringify(body)?.slice(0, 400)} -> ${answer.status} ${answer.failed} ${answer.text.slice(0, 200)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  context.diagnostic(JSON.stringify(statuses));
  assert.deepEqual(wrong, []);
  assert.equal((await router.call("/healthz")).status, 200);
  assert.ok(!/panicked|unreachable|RuntimeError/.test(router.logs()), router.logs().slice(-2_000));
  assert.ok(statuses[200] > CALLS / 20, "some of it goes deep");
});
