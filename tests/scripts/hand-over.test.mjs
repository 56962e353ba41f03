// Which variables reach a local Worker, and that they arrive exactly as they were given.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { unstable_getVarsForDev as varsThatWranglerReads } from "wrangler";

import { readDevVars, writeEnvFile } from "../../scripts/start/env-file.mjs";
import { handedOver, isSpellingOf, namesInCatalog } from "../../scripts/start/secret-names.mjs";
import { bundledCatalogs } from "../../scripts/start/catalogs.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "clawrouter-hand-over-"));
after(() => rmSync(folder, { recursive: true }));

for (const [name, variable, expected] of [
  ["X_API_KEY", "X_API_KEY", true],
  ["X_API_KEY", "X_API_KEYS", true],
  ["X_API_KEY", "X_API_KEY_POOL", true],
  ["X_API_KEY", "X_API_KEY_12", true],
  ["X_TOKEN", "X_TOKENS", true],
  ["X_API_KEY", "X_API_KEY_ID", false],
  ["X_API_KEY", "X_API_KEY_", false],
  ["X_API_KEY", "X_API_KEYS_POOL", false],
  ["X_API_KEY", "MY_X_API_KEY", false],
  ["X_API_KEY", "X_API", false],
]) {
  test(`${variable} is ${expected ? "" : "no "}spelling of ${name}`, () => assert.equal(isSpellingOf(name, variable), expected));
}

test("names come from pools, auth schemes and templates", () => {
  const names = namesInCatalog({
    providers: [
      { id: "a", base_url: "https://${A_HOST}/v1", headers: { "x-a": "v=${A_VERSION}" }, discover: { models: true }, dialects: { chat: "/${A_PATH}" } },
      { id: "b", auth: { scheme: "access_service_token", id_secret: "B_ID", secret_secret: "B_SECRET" } },
    ],
    pools: [{ id: "a", discover: "A_KEY" }, { id: "b", keys: [{ label: "one", secret: "B_ONE" }] }],
  });
  assert.deepEqual([...names].sort(), ["A_HOST", "A_KEY", "A_PATH", "A_VERSION", "B_ID", "B_ONE", "B_SECRET"]);
});

test("only what catalogs and the Worker name is handed over", () => {
  const env = {
    OPENAI_API_KEY: "sk-1", OPENAI_API_KEYS: "sk-2,sk-3", LOCAL_OPENAI_BASE_URL: "http://127.0.0.1:1", MINE: "m", MINE_2: "n",
    SEAL_KEY: "s", DRY_RUN: "1", ACCESS_TOKEN: "of something else", PATH: "/bin", HOME: "/root", ANTHROPIC_API_KEY: "  ", AWS_SECRET: "x",
  };
  const given = handedOver(env, [...bundledCatalogs(), { pools: [{ id: "mine", discover: "MINE" }] }]);
  assert.deepEqual(Object.keys(given).sort(), ["DRY_RUN", "LOCAL_OPENAI_BASE_URL", "MINE", "MINE_2", "OPENAI_API_KEY", "OPENAI_API_KEYS", "SEAL_KEY"]);
});

test("wrangler reads back exactly what was written", () => {
  const values = {
    PLAIN: "sk-abc", SPACES: "  a b  ", DOLLAR: "a$b ${HOME} $$ \\$c", QUOTES: `say "hi" it's`, BACKTICK: 'say "hi" `x`', HASH: "a # b",
    LINES: "first\nsecond\n", BACKSLASH: "a\\nb\\", EQUALS: "a=b==", UNICODE: "Zürich ✓", AFTER: "last",
  };
  const file = path.join(folder, "values.env");
  writeEnvFile(file, values);
  const read = varsThatWranglerReads(path.join(folder, "wrangler.toml"), [file], {}, undefined, true);
  assert.deepEqual(Object.fromEntries(Object.entries(read).map(([name, { value }]) => [name, value])), values);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("a value that no quote can carry is refused by name, without being shown", () => {
  assert.throws(() => writeEnvFile(path.join(folder, "bad.env"), { ODD: "s'e`cret" }), (error) => /ODD/.test(error.message) && !/cret/.test(error.message + error.advice));
});

test("a user's .dev.vars is read, and may be missing", () => {
  const file = path.join(folder, ".dev.vars");
  assert.deepEqual(readDevVars(file), {});
  writeFileSync(file, '# mine\nA=1\nB="two words"\n');
  assert.deepEqual({ ...readDevVars(file) }, { A: "1", B: "two words" });
});
