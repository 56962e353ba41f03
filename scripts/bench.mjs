// `npm run bench`: builds what changed, then runs every benchmark, or those that are named (`npm run bench -- chat fusion ledger`), under
// the project's Node. Ends with code 1 when a bar was missed.

import { buildAll } from "./build.mjs";
import { run, withProjectPrograms } from "./lib/child.mjs";
import { inProject, projectNode, quietWrangler } from "./lib/project.mjs";
import { main, StepError } from "./lib/step.mjs";

const benchmarks = ["chat", "fusion", "ledger"];

await main(async () => {
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !benchmarks.includes(name));
  if (unknown) throw new StepError(`there is no benchmark ${unknown}`, `name one of ${benchmarks.join(", ")}`);
  await buildAll();
  for (const name of named.length > 0 ? named : benchmarks) {
    const { code } = await run(projectNode, [inProject("bench", `${name}.mjs`)], { env: { ...withProjectPrograms(), ...quietWrangler } });
    process.exitCode ||= code;
  }
});
