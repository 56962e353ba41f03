// A Python environment for the client tests, under .tools; made once per content of requirements.txt.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../..");
const REQUIREMENTS = path.join(HERE, "requirements.txt");
const INSTALL_TIMEOUT_MS = 300_000;

/** The environment's `python`, making the environment when it is missing. Throws with advice. */
export function preparePython() {
  const version = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  const folder = path.join(ROOT, ".tools", `python-clients-${version}`);
  const python = path.join(folder, "bin", "python");
  const done = path.join(folder, "complete");
  if (existsSync(done)) return python;
  console.log("set-up  Python environment for the client tests (about 20 s)");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.dirname(folder), { recursive: true });
  if (!makeEnvironment(folder)) throw new Error("python3 cannot make a virtual environment: install Python >= 3.9 with its venv module (Debian: apt-get install python3-venv)");
  const installed = spawnSync(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS], { stdio: ["ignore", "inherit", "inherit"], timeout: INSTALL_TIMEOUT_MS });
  if (installed.status !== 0) throw new Error("pip could not install tests/clients/requirements.txt: look at its message above and check the network");
  writeFileSync(done, "");
  return python;
}

function makeEnvironment(folder) {
  const create = () => spawnSync("python3", ["-m", "venv", folder], { stdio: "ignore" }).status === 0;
  if (create()) return true;
  // Debian splits venv off; as root the missing part is installed, otherwise the caller is told.
  if (process.getuid?.() !== 0) return false;
  spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "python3", "python3-venv"], { stdio: "ignore" });
  rmSync(folder, { recursive: true, force: true });
  return create();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(preparePython());
