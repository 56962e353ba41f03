// The programs that turn Rust into a Worker: worker-build and wasm-bindgen (built by cargo), wasm-opt and esbuild (npm).

import { existsSync } from "node:fs";
import path from "node:path";

import { run } from "../lib/child.mjs";
import { inProject, toolsFolder, wasmBindgenVersion, workerBuildVersion } from "../lib/project.mjs";
import { StepError, step } from "../lib/step.mjs";

/** Installs what is missing and returns the path of worker-build and the environment that tells it its helpers. */
export async function prepareWasmTools() {
  // wasm-bindgen-cli without --locked: its lock file may name crate versions that a registry mirror lacks.
  const [wasmBindgen, workerBuild] = await Promise.all([
    installCrate("wasm-bindgen-cli", "wasm-bindgen", wasmBindgenVersion(), []),
    installCrate("worker-build", "worker-build", workerBuildVersion, ["--locked"]),
  ]);
  return {
    workerBuild,
    // Without these worker-build downloads the programs from GitHub.
    env: {
      WASM_BINDGEN_BIN: wasmBindgen,
      WASM_OPT_BIN: inProject("node_modules", "binaryen", "bin", "wasm-opt"),
      ESBUILD_BIN: inProject("node_modules", "esbuild", "bin", "esbuild"),
    },
  };
}

/** They run for seconds a build: compiling them quickly is worth more than their speed. */
const quickProfile = { CARGO_PROFILE_RELEASE_OPT_LEVEL: "1", CARGO_PROFILE_RELEASE_LTO: "off", CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16" };

async function installCrate(crate, program, version, flags) {
  const folder = path.join(toolsFolder, `${program}-${version}`);
  const file = path.join(folder, "bin", program);
  if (existsSync(file)) return file;
  await step(`${crate} ${version}`, "compiled by cargo, about 4 min on 2 cores, once", async () => {
    const { code } = await run("cargo", ["install", crate, "--version", `=${version}`, "--bin", program, "--root", folder, "--quiet", ...flags], {
      env: { ...process.env, ...quickProfile },
    });
    if (code !== 0) {
      throw new StepError(
        `cargo install ${crate} ended with code ${code}`,
        "check that cargo reaches its registry and that a C compiler is installed (Debian: `apt-get install build-essential`), then run again",
      );
    }
  });
  return file;
}
