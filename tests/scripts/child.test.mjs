// What a script starts ends with it, grandchildren too.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

import { run } from "../../scripts/lib/child.mjs";

const childModule = new URL("../../scripts/lib/child.mjs", import.meta.url).href;
/** A shell that starts a sleeper, prints its id and waits for it. */
const sleeper = ["-c", "sleep 300 & echo $!; wait"];

test("output and exit code are reported", async () => {
  const { code, stdout, stderr, timedOut } = await run("sh", ["-c", "echo out; echo err >&2; exit 3"], { output: "capture" });
  assert.deepEqual({ code, stdout, stderr, timedOut }, { code: 3, stdout: "out\n", stderr: "err\n", timedOut: false });
});

test("a program that does not exist has code 127", async () => {
  assert.equal((await run("clawrouter-no-such-program", [], { output: "capture" })).code, 127);
});

test("a time-out ends grandchildren", async () => {
  const { stdout, timedOut } = await run("sh", sleeper, { output: "capture", timeoutMs: 300 });
  assert.equal(timedOut, true);
  await isGone(Number(stdout));
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
  test(`${signal} to a script ends what it runs`, async () => {
    const program = `import { run } from ${JSON.stringify(childModule)}; await run("sh", ${JSON.stringify(sleeper)});`;
    const script = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    const [printed] = await once(script.stdout, "data");
    script.kill(signal);
    const [code] = await once(script, "exit");
    assert.ok(code > 128);
    await isGone(Number(printed));
  });
}

/** Resolves once a process is dead (a zombie that nobody reaps counts); fails after a while. */
async function isGone(pid) {
  for (let tries = 0; tries < 100; tries += 1) {
    const { stdout, code } = await run("ps", ["-o", "stat=", "-p", String(pid)], { output: "capture" });
    if (code !== 0 || stdout.trim().startsWith("Z")) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`process ${pid} still lives`);
}
