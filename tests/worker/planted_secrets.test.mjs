// Secrets planted wherever they can enter; then everything that is kept, listed, printed or told is searched for them.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { ADMIN_TOKEN, secretValue, startRouter } from "./harness.mjs";

const CHAT = "/v1/chat/completions";
const PROMPT = "PLANTED-prompt-4411";
const UPSTREAM_BODY = "PLANTED-upstream-body-5522";
const PASTED = "sk-PLANTED-pasted-credential-6633";
const WRONG_KEY = "clawrouter-live-abcd1234-PLANTEDwrongsecret00007744";
const WRONG_TOKEN = "PLANTED-wrong-admin-token-8855";
const SEAL_KEY = Buffer.from("PLANTED-seal-key-of-32-bytes-996").toString("base64");

let upstream;
let router;
let state;
before(async () => {
  state = mkdtempSync(path.join(os.tmpdir(), "clawrouter-planted-"));
  upstream = await startUpstream();
  router = await startRouter({
    state, vars: { SEAL_KEY },
    catalog: catalogOf(providerAt("p", upstream, { pool: { keys: [{ label: "k1", secret: "TEST_UPSTREAM_KEYA" }, { label: "s", sealed: true }] } }), {
      models: [modelOf("p", "m"), modelOf("p", "bad"), modelOf("p", "dead")], policies: [{ id: "paid", budgets: [{ window: "month", limit_usd: 5 }] }],
      fusion_profiles: [{ id: "default", enabled: true, advisers: [{ model: "p/m" }], synthesizer: { model: "p/m" } }],
    }),
  });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
  rmSync(state, { recursive: true, force: true });
});

/** Every file below a folder. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

test("nothing planted is found again", { timeout: 120_000 }, async () => {
  upstream.script({ rules: [
    { when: { model: "bad" }, acts: { do: "error", status: 500, body: { error: { message: `${UPSTREAM_BODY} ${secretValue(1)}` } } } },
    { when: { model: "dead" }, acts: { do: "error", status: 401, body: { error: { message: `Incorrect API key: ${secretValue(1)} ${UPSTREAM_BODY}` } } } },
  ] });
  const sealed = await router.admin("PUT", "pools/p/credentials/s", { value: PASTED });
  assert.equal(sealed.status, 200, sealed.text);
  const { key } = (await router.admin("POST", "keys", { policy: "paid", label: "ci" })).json;
  const secret = key.split("-").at(-1);
  const said = [];
  const note = (answer) => { said.push(`${JSON.stringify(answer.headers)} ${answer.text}`); };
  const prompt = { messages: [{ role: "user", content: PROMPT }] };
  const mirrored = [];
  for (const model of ["p/m", "p/bad", "p/dead", "clawrouter/fusion", "p/none", `${PROMPT} is not a model`]) {
    for (const stream of [false, true]) {
      const answer = await router.call(CHAT, { ...chat(model), ...prompt, stream }, { key, headers: { "x-api-key": WRONG_KEY, "x-clawrouter-session-id": "s1", traceparent: PROMPT } });
      // A caller may be shown their own text; nobody may be shown a secret.
      mirrored.push(`${JSON.stringify(answer.headers)} ${answer.text}`);
    }
  }
  for (const presented of [WRONG_KEY, `${key}x`, PROMPT]) note(await router.call(CHAT, { ...chat("p/m"), ...prompt }, { key: presented }));
  note(await router.call(CHAT, `{"model":"p/m","messages":[{"role":"user","content":"${PROMPT}"`, { key }));
  note(await router.admin("GET", "me", undefined, { authorization: `Bearer ${WRONG_TOKEN}` }));
  note(await router.admin("POST", "session", { token: WRONG_TOKEN }, { authorization: undefined, "sec-fetch-site": "same-origin", "x-clawrouter-csrf": "1" }));
  note(await router.admin("PUT", `providers/${encodeURIComponent(PASTED)}`, "{", { "if-none-match": "*" }));
  await sleep(1_500);
  for (const where of ["requests?limit=200", "audit?limit=100", "export", "keys?limit=100", "usage?group=key", "metrics", "health/targets", "sessions", "setup", "candidates", "providers", "pools", "pools/p/credentials", "policies", "settings", "me"]) {
    const answer = await router.admin("GET", where);
    assert.equal(answer.status, 200, `${where}: ${answer.text}`);
    note(answer);
  }
  const rows = (await router.admin("GET", "requests?limit=200")).json.items;
  assert.ok(rows.length >= 8, `${rows.length} rows`);
  for (const row of rows) note(await router.admin("GET", `requests/${encodeURIComponent(row.request_id)}`));
  for (const where of ["/v1/models", "/v1/catalog", "/v1/usage", "/v1/key", "/healthz", `/v1/traces/${rows[0].request_id}`]) note(await router.call(where, undefined, { key }));
  const credentials = [secretValue(1), secret, ADMIN_TOKEN, PASTED, SEAL_KEY, "PLANTED-seal-key", "PLANTEDwrongsecret", WRONG_TOKEN];
  const all = [...credentials, PROMPT, UPSTREAM_BODY];
  const search = (text, words, where) => {
    for (const word of words) assert.ok(!text.includes(word), `${word} in ${where}: …${text.slice(Math.max(0, text.indexOf(word) - 200), text.indexOf(word) + 80)}…`);
  };
  for (const text of said) search(text, all, "an answer");
  for (const text of mirrored) search(text, credentials, "a caller's answer");
  search(router.logs(), all, "the logs");
  // SQLite, its journal, and KV's blobs, as they lie on the disk.
  await router.stop();
  const files = filesBelow(state);
  assert.ok(files.length > 5, files.join("\n"));
  for (const file of files) search(readFileSync(file).toString("latin1"), all, file);
});
