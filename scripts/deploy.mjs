// `npm run deploy`: builds what changed and hands over to wrangler, with any further arguments (`-- --dry-run`).

import { spawnSync } from "node:child_process";

import { buildAll } from "./build.mjs";
import { withProjectPrograms } from "./lib/child.mjs";
import { projectNode, quietWrangler, root, wranglerProgram } from "./lib/project.mjs";
import { main, StepError } from "./lib/step.mjs";

await main(async () => {
  if (process.env.CLAWROUTER_BUILD) throw new StepError("CLAWROUTER_BUILD is set", "unset it: only the release build is deployed");
  await buildAll();
  // wrangler may want to ask (sign-in, first-time names): it gets the terminal.
  const { status } = spawnSync(projectNode, [wranglerProgram, "deploy", ...process.argv.slice(2)], {
    cwd: root,
    env: { ...withProjectPrograms(), ...quietWrangler },
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
});
