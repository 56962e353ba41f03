// Packages of the operating system, where it is Debian and we may install them.

import { run } from "../lib/child.mjs";
import { StepError, step } from "../lib/step.mjs";

/** Installs Debian packages, with sudo when we are not root. */
export async function installDebianPackages(packages, what, cost, advice) {
  await step(what, cost, async () => {
    const prefix = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    for (const args of [["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", ...packages]]) {
      const [program, ...rest] = [...prefix, "apt-get", ...args];
      const { code, stdout, stderr } = await run(program, rest, { env, output: "capture" });
      if (code !== 0) {
        throw new StepError(`apt-get ${args[0]} ended with code ${code}: ${(stderr || stdout).trim().split("\n").at(-1)}`, advice);
      }
    }
  });
}
