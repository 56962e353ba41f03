// Reads passed, failed and skipped out of what each test runner itself reports.

export const nothing = Object.freeze({ passed: 0, failed: 0, skipped: 0 });

export function sum(counts) {
  return counts.reduce(
    (total, one) => ({ passed: total.passed + one.passed, failed: total.failed + one.failed, skipped: total.skipped + one.skipped }),
    nothing,
  );
}

/** `cargo test`: one "test result:" line per test binary. */
export function fromCargo(output) {
  const lines = output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;/gm);
  return sum([...lines].map(([, passed, failed, skipped]) => ({ passed: +passed, failed: +failed, skipped: +skipped })));
}

/** `node --test` in TAP: the summary at the end. */
export function fromNodeTap(tap) {
  const count = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(tap)?.[1] ?? 0);
  return { passed: count("pass"), failed: count("fail") + count("cancelled"), skipped: count("skipped") + count("todo") };
}

/** vitest's JSON reporter. */
export function fromVitest(report) {
  return { passed: report.numPassedTests, failed: report.numFailedTests, skipped: report.numPendingTests + report.numTodoTests };
}

/** Playwright's JSON reporter; a flaky test passed in the end but counts as failed here: tests must not need luck. */
export function fromPlaywright(report) {
  const { expected, unexpected, flaky, skipped } = report.stats;
  return { passed: expected, failed: unexpected + flaky, skipped };
}

/** Counts that agree with the runner's exit code: a runner that failed, or ran nothing, has failed. */
export function checked(counts, exitCode) {
  const ranNothing = counts.passed + counts.failed + counts.skipped === 0;
  return (exitCode !== 0 || ranNothing) && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** KiB of the compressed upload that `wrangler deploy --dry-run` prints. */
export function uploadSizeKib(output) {
  const found = /Total Upload: .* \/ gzip: ([\d.]+) (KiB|MiB)/.exec(output);
  return found ? Number(found[1]) * (found[2] === "MiB" ? 1024 : 1) : null;
}

/** The table of suites and the closing line. */
export function summary(rows) {
  const cells = rows.map(({ suite, counts, seconds, reason }) => [
    suite, String(counts.passed), String(counts.failed), String(counts.skipped), seconds.toFixed(1), reason ?? "",
  ]);
  const table = [["suite", "passed", "failed", "skipped", "seconds", ""], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) => row.map((cell, i) => (i === 0 || i === 5 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ").trimEnd());
  const total = sum(rows.map(({ counts }) => counts));
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  return [...lines, "", `${total.passed} passed, ${total.failed} failed${skipped}`].join("\n");
}
