// `npm run bench`: builds what changed, then runs bench/run.mjs with any further arguments under the project's Node.

import { existsSync } from "node:fs";

import { buildAll } from "./build.mjs";
import { run, withProjectPrograms } from "./lib/child.mjs";
import { inProject, projectNode, quietWrangler } from "./lib/project.mjs";
import { main, StepError } from "./lib/step.mjs";

await main(async () => {
  const program = inProject("bench", "run.mjs");
  if (!existsSync(program)) throw new StepError("there is no bench/run.mjs", "check out a revision that has benchmarks");
  await buildAll();
  const { code } = await run(projectNode, [program, ...process.argv.slice(2)], { env: { ...withProjectPrograms(), ...quietWrangler } });
  process.exitCode = code;
});
