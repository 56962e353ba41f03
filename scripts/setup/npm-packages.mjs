// npm packages of the project and of the admin page. Uses Node's built-ins only: it runs before anything is installed.

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { run, withoutProjectPrograms } from "../lib/child.mjs";
import { inProject, root } from "../lib/project.mjs";
import { StepError, step } from "../lib/step.mjs";

export async function installProjectPackages() {
  await installPackages(root, "npm packages", "about 45 s, 600 MB on disk");
}

export async function installAdminPackages() {
  const folder = inProject("admin-ui");
  if (existsSync(path.join(folder, "package.json"))) {
    await installPackages(folder, "npm packages of the admin page", "about 20 s, 150 MB on disk");
  }
}

async function installPackages(folder, what, cost) {
  if (packagesAreCurrent(folder)) return;
  await step(what, cost, async () => {
    const { code } = await run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: folder,
      env: withoutProjectPrograms(),
    });
    if (code !== 0) {
      throw new StepError(
        `\`npm ci\` in ${path.relative(root, folder) || "the project"} ended with code ${code}`,
        "check that npm reaches its registry (`npm ping`) and that package.json and package-lock.json agree, then run again",
      );
    }
  });
}

function packagesAreCurrent(folder) {
  const installed = path.join(folder, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return false;
  const read = (file) => JSON.parse(readFileSync(file, "utf8"));
  return installedMatchesLock(read(path.join(folder, "package-lock.json")), read(installed));
}

/**
 * True when npm's own record of what it installed holds every package of the lock file in its locked version.
 * Optional packages (other platforms' binaries) may be absent.
 */
export function installedMatchesLock(lock, installed) {
  return Object.entries(lock.packages).every(([place, locked]) => {
    if (place === "" || locked.link) return true;
    const present = installed.packages[place];
    if (!present) return Boolean(locked.optional || locked.peer || locked.devOptional);
    return present.version === locked.version;
  });
}
