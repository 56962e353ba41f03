// `npm run build`, and wrangler's own build command: the Worker's wasm and the admin page, each only when its sources changed.

import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { run, withProjectPrograms } from "./lib/child.mjs";
import { contentHash, stampMatches, writeStamp } from "./lib/content-hash.mjs";
import { whileAloneInBuild } from "./lib/lock.mjs";
import { inProject, wasmBindgenVersion, workerBuildVersion } from "./lib/project.mjs";
import { StepError, main, step } from "./lib/step.mjs";
import { installAdminPackages, installProjectPackages } from "./setup/npm-packages.mjs";
import { prepareWasmTarget } from "./setup/wasm-target.mjs";
import { prepareWasmTools } from "./setup/wasm-tools.mjs";

/** What wrangler.toml names as `main`. */
const workerEntry = inProject("build", "index.js");
const adminFolder = inProject("admin-ui");
const adminOutput = inProject("admin-ui", "dist");

/** `CLAWROUTER_BUILD=quick`: for working on the code, a larger and slower Worker that is compiled in parts. Never deploy it. */
const quick = process.env.CLAWROUTER_BUILD === "quick";
const quickProfile = {
  CARGO_PROFILE_RELEASE_LTO: "off",
  CARGO_PROFILE_RELEASE_OPT_LEVEL: "1",
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "64",
  CARGO_PROFILE_RELEASE_INCREMENTAL: "true",
};

export function buildAll() {
  return whileAloneInBuild(async () => {
    await installProjectPackages();
    await buildAdmin();
    await buildWorker();
  });
}

/** The admin page alone, for its own tests. */
export function buildAdminPage() {
  return whileAloneInBuild(async () => {
    await installProjectPackages();
    await buildAdmin();
  });
}

/** Rust -> wasm -> build/. */
async function buildWorker() {
  const stamp = inProject("build", "stamps", "worker");
  const hash = contentHash(
    ["src", "catalog", "Cargo.toml", "Cargo.lock", "build.rs"].map((name) => inProject(name)),
    [workerBuildVersion, wasmBindgenVersion(), quick ? "quick" : "release"],
  );
  if (existsSync(workerEntry) && stampMatches(stamp, hash)) return;

  const compiler = await prepareWasmTarget();
  const tools = await prepareWasmTools();
  const cost = quick ? "the first time about 1 min, later about 20 s" : "about 4 min on 2 cores, only when the source changed";
  await step(`Worker (Rust to wasm, ${quick ? "quick" : "release"})`, cost, async () => {
    const { code } = await run(tools.workerBuild, ["--release", ...(quick ? ["--no-opt"] : [])], {
      env: {
        ...compiler,
        ...tools.env,
        ...(quick ? quickProfile : {}),
        RUST_BACKTRACE: "0",
        // A RUSTFLAGS of the machine (`-C target-cpu=native`) would break a wasm build; SIMD is safe in workerd.
        RUSTFLAGS: undefined,
        CARGO_ENCODED_RUSTFLAGS: undefined,
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: "-Ctarget-feature=+simd128",
      },
    });
    if (code !== 0) throw new StepError(`worker-build ended with code ${code}`, "mend what the compiler says above, then run again");
  });
  writeStamp(stamp, hash);
}

/** admin-ui/ -> admin-ui/dist/, which the Worker serves as static assets. */
async function buildAdmin() {
  // wrangler refuses to start without the assets folder.
  mkdirSync(adminOutput, { recursive: true });
  if (!existsSync(path.join(adminFolder, "package.json"))) return;

  const stamp = inProject("build", "stamps", "admin-ui");
  const hash = contentHash([adminFolder]);
  if (existsSync(path.join(adminOutput, "admin", "index.html")) && stampMatches(stamp, hash)) return;
  await installAdminPackages();
  await step("admin page", "about 10 s", async () => {
    const { code } = await run("npm", ["run", "build", "--silent"], {
      cwd: adminFolder,
      env: withProjectPrograms(),
    });
    if (code !== 0) throw new StepError(`building admin-ui ended with code ${code}`, "mend what the build says above, then run again");
  });
  writeStamp(stamp, hash);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(buildAll);
