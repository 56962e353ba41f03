// A Rust compiler that can build for wasm32-unknown-unknown: rustup's when its server answers, else Debian's.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { run, withPathFirst } from "../lib/child.mjs";
import { inProject, toolsFolder } from "../lib/project.mjs";
import { StepError, step } from "../lib/step.mjs";
import { installDebianPackages } from "./debian-packages.mjs";

const target = "wasm32-unknown-unknown";
const debianRustc = "/usr/bin/rustc";
const debianPackages = ["rustc-web", "rust-web-src", "lld-22"];
const debianLinker = "wasm-ld-22";
const linkerVariable = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER";

/** Makes the target available and returns the environment in which `cargo build --target wasm32-unknown-unknown` works. */
export async function prepareWasmTarget() {
  await requireRust();
  if (await hasTarget("rustc")) return process.env;
  if (await debianTargetIsReady()) return debianEnvironment();
  if (await addTargetWithRustup()) return process.env;
  await prepareDebianTarget();
  return debianEnvironment();
}

async function requireRust() {
  for (const program of ["cargo", "rustc"]) {
    if ((await run(program, ["--version"], { output: "capture" })).code !== 0) {
      throw new StepError(`${program} does not run`, "install Rust from https://rustup.rs (the host target is enough), then run again");
    }
  }
}

async function hasTarget(rustc) {
  const { code, stdout } = await run(rustc, ["--print", "target-libdir", "--target", target], { output: "capture" });
  const folder = stdout.trim();
  return code === 0 && existsSync(folder) && readdirSync(folder).some((file) => /^libstd-.*\.rlib$/.test(file));
}

// --- rustup ---

async function addTargetWithRustup() {
  if ((await run("rustup", ["--version"], { output: "capture" })).code !== 0) return false;
  return step(`Rust target ${target} by rustup`, "about 10 s, 100 MB on disk", async () => {
    const { code, stderr } = await run("rustup", ["target", "add", target], {
      env: { ...process.env, RUSTUP_MAX_RETRIES: "0", RUST_BACKTRACE: "0" },
      output: "capture",
      timeoutMs: 120_000,
    });
    if (code !== 0) console.log(`set-up  rustup: ${/^error: .*$/m.exec(stderr)?.[0] ?? `ended with code ${code}`}`);
    return code === 0 && (await hasTarget("rustc"));
  });
}

// --- Debian: its compiler lies beside rustup's and is first on PATH for wasm builds only ---

function debianEnvironment() {
  const folder = path.join(toolsFolder, "debian-rustc");
  mkdirSync(folder, { recursive: true });
  const link = path.join(folder, "rustc");
  if (!existsSync(link)) symlinkSync(debianRustc, link);
  return { ...withPathFirst([folder]), [linkerVariable]: debianLinker };
}

async function debianTargetIsReady() {
  if (!existsSync(debianRustc) || !(await hasTarget(debianRustc))) return false;
  const { folder, version } = await debianStandardLibrary();
  const stamp = path.join(folder, stampName);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === version;
}

const stampName = ".built-by-clawrouter";

async function debianStandardLibrary() {
  const libdir = await run(debianRustc, ["--print", "target-libdir", "--target", target], { output: "capture" });
  const version = await run(debianRustc, ["--version"], { output: "capture" });
  return { folder: libdir.stdout.trim(), version: version.stdout };
}

async function prepareDebianTarget() {
  const advice =
    `run \`rustup target add ${target}\` where the network allows it; ` +
    `or, on Debian 12 as root, \`apt-get install ${debianPackages.join(" ")}\`, then run again`;
  if ((await run("apt-get", ["--version"], { output: "capture" })).code !== 0) {
    throw new StepError(`the Rust target ${target} is missing and rustup could not add it`, advice);
  }
  await installDebianPackages(debianPackages, "Debian's Rust compiler for wasm", "about 30 s, 500 MB on disk", advice);
  await step("Rust's standard library for wasm", "about 1 min, once", () => buildStandardLibrary(advice));
}

/** Builds std in a throw-away crate and copies its libraries to where the Debian compiler looks for them. */
async function buildStandardLibrary(advice) {
  const crate = mkdtempSync(path.join(tmpdir(), "clawrouter-std-"));
  try {
    mkdirSync(path.join(crate, "src"));
    writeFileSync(path.join(crate, "Cargo.toml"), '[package]\nname = "throw_away"\nversion = "0.0.0"\nedition = "2021"\n[lib]\ncrate-type = ["rlib"]\n');
    writeFileSync(path.join(crate, "src", "lib.rs"), "");
    const { code, stderr } = await run("cargo", ["build", "-Zbuild-std=std,panic_abort,panic_unwind", "--target", target, "--release"], {
      cwd: crate,
      output: "capture",
      env: {
        ...process.env,
        RUSTC: debianRustc,
        RUSTC_BOOTSTRAP: "1",
        // Without bitcode in std a build with `lto = true` fails: "Can't find section .llvmbc".
        RUSTFLAGS: "-Cembed-bitcode=yes",
        [linkerVariable]: debianLinker,
        CARGO_TARGET_DIR: path.join(crate, "target"),
      },
    });
    if (code !== 0) throw new StepError(`building std for ${target} failed:\n${stderr.slice(-2_000)}`, advice);

    const built = path.join(crate, "target", target, "release", "deps");
    const { folder, version } = await debianStandardLibrary();
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(built)) {
      if (file.endsWith(".rlib") && !file.startsWith("libthrow_away-")) cpSync(path.join(built, file), path.join(folder, file));
    }
    writeFileSync(path.join(folder, stampName), version);
  } catch (error) {
    if (error.code === "EACCES") throw new StepError(`${error.path} may not be written`, `run once as root, or ${advice}`);
    throw error;
  } finally {
    rmSync(crate, { recursive: true, force: true });
  }
  // What was compiled against another std cannot be linked with this one.
  rmSync(inProject("target", target), { recursive: true, force: true });
}
