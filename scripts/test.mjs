// `npm test`: every suite, or those that are named; ends with a table and the line "N passed, N failed".
//
// `node scripts/test.mjs [suite...] [filter...]`: words that are no suite's name choose test files or test names.

import { main, StepError } from "./lib/step.mjs";
import { installProjectPackages } from "./setup/npm-packages.mjs";
import { buildAll } from "./build.mjs";
import { nothing, summary } from "./test/counts.mjs";
import { suites } from "./test/suites.mjs";

await main(async () => {
  const words = process.argv.slice(2).filter((word) => word !== "--");
  const named = suites.filter(({ name }) => words.includes(name));
  const filters = words.filter((word) => !suites.some(({ name }) => name === word));
  if (filters.length > 0 && named.length === 0) {
    throw new StepError(`no suite is called ${filters.join(" ")}`, `name one of ${suites.map(({ name }) => name).join(", ")}`);
  }

  await installProjectPackages();
  const rows = [];
  for (const suite of named.length > 0 ? named : suites) rows.push(await runSuite(suite, filters, rows));
  console.log(`\n${summary(rows)}`);
  process.exitCode = rows.some(({ counts }) => counts.failed > 0) ? 1 : 0;
});

async function runSuite(suite, filters, rowsBefore) {
  const reason = suite.missing?.() ?? (suite.needsBuild && buildFailed(rowsBefore) ? "the build failed" : null);
  if (reason) return { suite: suite.name, counts: { ...nothing, skipped: 1 }, seconds: 0, reason };

  console.log(`\n=== ${suite.name}`);
  const started = Date.now();
  const result = (counts, why) => ({ suite: suite.name, counts, seconds: (Date.now() - started) / 1000, reason: why });
  try {
    if (suite.needsBuild) await buildAll();
    return result(await suite.run(filters));
  } catch (error) {
    console.error(error instanceof StepError ? `failed  ${error.message}\n  do    ${error.advice}` : error);
    return result({ ...nothing, failed: 1 }, error.message.split("\n")[0]);
  }
}

function buildFailed(rows) {
  return rows.some(({ suite, counts }) => suite === "build" && counts.failed > 0);
}
