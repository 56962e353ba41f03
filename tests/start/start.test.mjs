// `npm start` end to end: what it prints works, what it keeps stays, what it starts ends, and nothing secret is on a command line.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { run } from "../../scripts/lib/child.mjs";
import { commandLinesWith, freePort, leftOver, npmStart } from "./npm-start.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "clawrouter-start-"));
const state = path.join(folder, "first");
const plantedSecret = "sk-planted-3f9a-do-not-show";
const catalogFile = path.join(folder, "catalog.json");
const catalog = {
  providers: [{ id: "mine", base_url: "https://mine.example", dialects: { chat: "/v1/chat/completions" }, pool: "mine" }],
  models: [
    { id: "mine/one", provider: "mine", upstream: "one", capabilities: ["chat"], context_window: 8192, max_output_tokens: 1024, price: { input: 1, output: 2 } },
  ],
  pools: [{ id: "mine", discover: "MINE_API_KEY" }],
};

let router;
let port;

before(async () => {
  writeFileSync(catalogFile, JSON.stringify(catalog));
  port = await freePort();
  router = await npmStart({ PORT: String(port), CLAWROUTER_STATE: state, CLAWROUTER_CATALOG: catalogFile, MINE_API_KEY: plantedSecret });
});

after(async () => {
  await router?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const modelsOf = async ({ url, key }) => {
  const response = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  return (await response.json()).data.map(({ id }) => id);
};

describe("a running router", () => {
  test("prints address, key and admin token", () => {
    assert.equal(router.url, `http://127.0.0.1:${port}`, router.output());
    assert.match(router.key, /^clawrouter-test-\w{4,}-\w{24,}$/);
    assert.equal(router.admin, `${router.url}/admin`);
    assert.ok(router.token.length >= 24);
  });

  test("answers the printed curl", async () => {
    const { stdout } = await run("sh", ["-c", `${router.curl} --silent --fail-with-body`], { output: "capture" });
    assert.equal(JSON.parse(stdout).choices[0].message.role, "assistant", stdout);
  });

  test("lists the models of CLAWROUTER_CATALOG beside the bundled ones", async () => {
    const ids = await modelsOf(router);
    assert.ok(ids.includes("mine/one") && ids.includes("demo/fast"), ids.join(" "));
  });

  test("accepts the admin token and serves the admin page", async () => {
    const me = await fetch(`${router.url}/admin/api/me`, { headers: { authorization: `Bearer ${router.token}` } });
    assert.equal(me.status, 200);
    const page = await fetch(router.admin);
    assert.match(await page.text(), /<html/i);
  });

  test("shows no secret on any command line", async () => {
    assert.notEqual((await commandLinesWith(state)).length, 0);
    for (const secret of [plantedSecret, router.key, router.token]) assert.deepEqual(await commandLinesWith(secret), []);
    assert.ok(!router.output().includes(plantedSecret));
  });

  test("refuses a second one on its port, and on its state", async () => {
    const samePort = await npmStart({ PORT: String(port), CLAWROUTER_STATE: path.join(folder, "other") });
    assert.notEqual(samePort.exitCode, 0);
    assert.match(samePort.output(), new RegExp(`port ${port} of 127.0.0.1 is in use`));
    const sameState = await npmStart({ PORT: String(await freePort()), CLAWROUTER_STATE: state });
    assert.notEqual(sameState.exitCode, 0);
    assert.match(sameState.output(), /another run .* uses the state/);
  });

  test("runs beside a second one with its own port and state", async () => {
    const second = await npmStart({ PORT: String(await freePort()), CLAWROUTER_STATE: path.join(folder, "second") });
    assert.ok(second.url, second.output());
    assert.notEqual(second.key, router.key);
    assert.ok(!(await modelsOf(second)).includes("mine/one"));
    await second.stop();
    assert.ok((await modelsOf(router)).includes("mine/one"));
  });
});

test("a refused catalog ends the start with the place of the mistake", async () => {
  const bad = path.join(folder, "bad.json");
  writeFileSync(bad, JSON.stringify({ providers: [{ id: "mine", base_uri: "https://mine.example" }] }));
  const badState = path.join(folder, "bad");
  const refused = await npmStart({ PORT: String(await freePort()), CLAWROUTER_STATE: badState, CLAWROUTER_CATALOG: bad });
  assert.notEqual(refused.exitCode, 0);
  assert.match(refused.output(), /CLAWROUTER_CATALOG was refused with status 422.*base_uri/s);
  assert.equal(refused.url, null);
  assert.deepEqual(await leftOver(badState), []);
});

test("a stop leaves nothing behind, and the next start has the same key and changes nothing", async () => {
  const { key, token } = router;
  await router.stop("SIGINT");
  assert.deepEqual(await leftOver(state), []);
  assert.ok(!existsSync(path.join(state, "clawrouter-running.env")));

  router = await npmStart({ PORT: String(port), CLAWROUTER_STATE: state, CLAWROUTER_CATALOG: catalogFile, MINE_API_KEY: plantedSecret });
  assert.equal(router.key, key, router.output());
  assert.equal(router.token, token);
  assert.match(router.output(), /^catalog revision \d+, 0 documents changed$/m);
});

test("killing npm outright still ends the router", async () => {
  await router.stop("SIGKILL");
  assert.deepEqual(await leftOver(state), []);
});
