// The `openai` library for Python against a running router: starts both, runs openai_python.py, reports its tests.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { preparePython } from "./python.mjs";
import { EXPECTED, startSetting } from "./setting.mjs";

const TIMEOUT_MS = 120_000;

let setting;
before(async () => { setting = await startSetting(); });
after(() => setting?.stop());

test("openai_python.py", { timeout: 600_000 }, async (context) => {
  const { code, output } = await run(preparePython(), [fileURLToPath(new URL("openai_python.py", import.meta.url)), "-v"], {
    PATH: process.env.PATH, BASE_URL: `${setting.router.url}/v1`, API_KEY: setting.router.key, EXPECTED: JSON.stringify(EXPECTED), PYTHONIOENCODING: "utf-8",
  });
  for (const line of output.split("\n").filter((text) => / \.\.\. |^Ran /.test(text))) context.diagnostic(line);
  assert.equal(code, 0, output);
  assert.match(output, /^Ran [1-9]\d* tests/m);
});

function run(program, args, env) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS, killSignal: "SIGKILL" });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { output += chunk; });
    child.on("close", (code) => resolve({ code, output }));
  });
}
