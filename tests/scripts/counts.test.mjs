// What `npm test` reads out of its runners, against real output of each.

import assert from "node:assert/strict";
import { test } from "node:test";

import { checked, fromCargo, fromNodeTap, fromPlaywright, fromVitest, nothing, summary, uploadSizeKib } from "../../scripts/test/counts.mjs";

const cargo = `
running 3 tests
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests clawrouter
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
`;
const tap = "TAP version 13\nok 1 - a\n1..1\n# tests 9\n# suites 2\n# pass 4\n# fail 2\n# cancelled 1\n# skipped 1\n# todo 1\n# duration_ms 12.5\n";
const vitest = { numPassedTests: 5, numFailedTests: 1, numPendingTests: 2, numTodoTests: 1 };
const playwright = { stats: { expected: 7, unexpected: 1, flaky: 1, skipped: 2 } };

for (const [runner, counts, expected] of [
  ["cargo", fromCargo(cargo), { passed: 4, failed: 2, skipped: 1 }],
  ["cargo without a result", fromCargo("error: could not compile"), nothing],
  ["node", fromNodeTap(tap), { passed: 4, failed: 3, skipped: 2 }],
  ["node without a report", fromNodeTap(""), nothing],
  ["vitest", fromVitest(vitest), { passed: 5, failed: 1, skipped: 3 }],
  ["playwright", fromPlaywright(playwright), { passed: 7, failed: 2, skipped: 2 }],
]) {
  test(`counts of ${runner}`, () => assert.deepEqual(counts, expected));
}

for (const [what, counts, exitCode, failed] of [
  ["all passed", { passed: 3, failed: 0, skipped: 0 }, 0, 0],
  ["failures are kept", { passed: 3, failed: 2, skipped: 0 }, 1, 2],
  ["a runner that ended badly has failed", { passed: 3, failed: 0, skipped: 0 }, 101, 1],
  ["a runner that ran nothing has failed", nothing, 0, 1],
  ["all skipped is not nothing", { passed: 0, failed: 0, skipped: 2 }, 0, 0],
]) {
  test(`exit codes: ${what}`, () => assert.equal(checked(counts, exitCode).failed, failed));
}

for (const [output, expected] of [
  ["Total Upload: 163.38 KiB / gzip: 54.15 KiB", 54.15],
  ["Total Upload: 9.1 MiB / gzip: 2.5 MiB", 2560],
  ["something else", null],
]) {
  test(`upload size of "${output}"`, () => assert.equal(uploadSizeKib(output), expected));
}

for (const [what, skipped, last] of [
  ["nothing skipped", 0, "4 passed, 2 failed"],
  ["something skipped", 1, "4 passed, 2 failed, 1 skipped"],
]) {
  test(`the closing line is the last, with ${what}`, () => {
    const text = summary([
      { suite: "core", counts: { passed: 3, failed: 0, skipped }, seconds: 1.25 },
      { suite: "worker", counts: { passed: 1, failed: 2, skipped: 0 }, seconds: 60, reason: "why" },
    ]);
    assert.equal(text.split("\n").at(-1), last);
    assert.match(text, /^worker +1 +2 +0 +60\.0 +why$/m);
  });
}
