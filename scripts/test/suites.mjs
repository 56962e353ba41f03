// The suites of `npm test`, in the order in which they run. Each says when it has nothing to do, and runs its runner.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { buildAdminPage, buildAll } from "../build.mjs";
import { run, withProjectPrograms } from "../lib/child.mjs";
import { inProject, projectNode, quietWrangler } from "../lib/project.mjs";
import { prepareChromium } from "../setup/chromium.mjs";
import { installAdminPackages } from "../setup/npm-packages.mjs";
import { checked, fromCargo, fromNodeTap, fromPlaywright, fromVitest, nothing, sum, uploadSizeKib } from "./counts.mjs";

/** A Worker on Cloudflare's free plan may have 3 MB compressed. */
const uploadLimitKib = 3 * 1024;

/** No single test takes this long; one that does has failed, and the run goes on. */
const testLimitMs = 240_000;

/** `missing` gives the reason why a suite has nothing to run; `run` gets file or test name filters. */
export const suites = [
  { name: "lint", run: lint },
  { name: "scripts", run: (filters) => nodeTests(["tests/scripts", "tests/upstream"], filters) },
  { name: "core", run: (filters) => cargoTest(["--no-default-features"], filters) },
  { name: "cli", missing: () => (cargoFeatures().includes("cli") ? null : "no feature `cli`"), run: (filters) => cargoTest(["--no-default-features", "--features", "cli", "--bins"], filters) },
  { name: "build", run: build },
  { name: "worker", missing: needsFolder("tests/worker"), needsBuild: true, run: (filters) => nodeTests(["tests/worker"], filters) },
  { name: "start", needsBuild: true, run: (filters) => nodeTests(["tests/start"], filters) },
  { name: "clients", missing: needsFolder("tests/clients"), needsBuild: true, run: (filters) => nodeTests(["tests/clients"], filters) },
  { name: "admin", missing: needsFolder("admin-ui/src"), run: adminUnit },
  { name: "browser", missing: browserMissing, needsBuild: true, run: browser },
  { name: "size", needsBuild: true, run: uploadSize },
];

function needsFolder(folder) {
  return () => (existsSync(inProject(folder)) ? null : `no folder ${folder}`);
}

function cargoFeatures() {
  const features = /^\[features\]\n([\s\S]*?)(?=^\[)/m.exec(readFileSync(inProject("Cargo.toml"), "utf8"))?.[1] ?? "";
  return [...features.matchAll(/^([\w-]+)\s*=/gm)].map(([, name]) => name);
}

/** One check per command: formatted, free of warnings, typed. */
async function lint() {
  const cli = cargoFeatures().includes("cli") ? [["cargo", "clippy", "--no-default-features", "--features", "cli", "--all-targets", "--", "-D", "warnings"]] : [];
  const checks = [
    ["cargo", "fmt", "--check"],
    ["cargo", "clippy", "--no-default-features", "--all-targets", "--", "-D", "warnings"],
    ["cargo", "clippy", "--features", "edge", "--all-targets", "--", "-D", "warnings"],
    ...cli,
  ];
  const results = [];
  for (const [program, ...args] of checks) results.push(await check(program, args));
  if (existsSync(inProject("admin-ui/package.json"))) {
    await installAdminPackages();
    for (const script of adminScripts(["lint", "check"])) results.push(await check("npm", ["run", "--silent", script], { cwd: inProject("admin-ui") }));
  }
  return sum(results);
}

async function check(program, args, options = {}) {
  const { code } = await run(program, args, { env: withProjectPrograms(), ...options });
  console.log(`${code === 0 ? "ok    " : "FAILED"} ${[program, ...args].join(" ")}`);
  return code === 0 ? { ...nothing, passed: 1 } : { ...nothing, failed: 1 };
}

function adminScripts(names) {
  const { scripts } = JSON.parse(readFileSync(inProject("admin-ui/package.json"), "utf8"));
  return names.filter((name) => scripts?.[name]);
}

async function cargoTest(args, filters) {
  const { code, stdout } = await run("cargo", ["test", ...args, ...filters], { output: "both" });
  return checked(fromCargo(stdout), code);
}

async function build() {
  await buildAll();
  return { ...nothing, passed: 1 };
}

async function nodeTests(folders, filters) {
  const files = folders.flatMap(testFiles).filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  if (files.length === 0) return checked(nothing, 1);
  return inTemporaryFolder(async (folder) => {
    const tap = path.join(folder, "report.tap");
    // One file at a time: each runs its own workerd, and several tests measure time.
    const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout", "--test-reporter=tap", `--test-reporter-destination=${tap}`];
    const { code } = await run(projectNode, ["--test", "--test-concurrency=1", "--test-force-exit", `--test-timeout=${testLimitMs}`, ...reporters, ...files], { env: testEnvironment() });
    return checked(fromNodeTap(readIfThere(tap)), code);
  });
}

function testFiles(folder) {
  if (!existsSync(inProject(folder))) return [];
  return readdirSync(inProject(folder), { recursive: true })
    .filter((file) => file.endsWith(".test.mjs") && !file.includes("node_modules"))
    .sort()
    .map((file) => path.join(folder, file));
}

async function adminUnit(filters) {
  await buildAdminPage();
  await installAdminPackages();
  return inTemporaryFolder(async (folder) => {
    const report = path.join(folder, "vitest.json");
    const args = ["exec", "--no", "--", "vitest", "run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...filters];
    const { code } = await run("npm", args, { cwd: inProject("admin-ui"), env: testEnvironment() });
    const unit = checked(existsSync(report) ? fromVitest(JSON.parse(readFileSync(report, "utf8"))) : nothing, code);
    const size = [];
    for (const script of adminScripts(["size"])) size.push(await check("npm", ["run", "--silent", script], { cwd: inProject("admin-ui") }));
    return sum([unit, ...size]);
  });
}

/** Folders with a Playwright configuration. */
function browserFolders() {
  return ["tests/browser", "admin-ui"].filter((folder) => ["ts", "mjs", "js"].some((end) => existsSync(inProject(folder, `playwright.config.${end}`))));
}

function browserMissing() {
  return browserFolders().length > 0 ? null : "no playwright.config in tests/browser or admin-ui";
}

async function browser(filters) {
  const chromium = await prepareChromium();
  await installAdminPackages();
  const results = [];
  for (const folder of browserFolders()) {
    results.push(await inTemporaryFolder(async (temporary) => {
      const report = path.join(temporary, "playwright.json");
      const env = { ...testEnvironment(), CHROMIUM_PATH: chromium, PLAYWRIGHT_JSON_OUTPUT_FILE: report };
      const { code } = await run("npm", ["exec", "--no", "--", "playwright", "test", "--reporter=list,json", ...filters], { cwd: inProject(folder), env });
      return checked(existsSync(report) ? fromPlaywright(JSON.parse(readFileSync(report, "utf8"))) : nothing, code);
    }));
  }
  return sum(results);
}

/** What would be uploaded stays below the smallest plan's limit. */
async function uploadSize() {
  return inTemporaryFolder(async (folder) => {
    const { code, stdout, stderr } = await run("wrangler", ["deploy", "--dry-run", "--outdir", folder], { env: testEnvironment(), output: "capture" });
    const kib = uploadSizeKib(stdout);
    const fits = code === 0 && kib !== null && kib <= uploadLimitKib;
    console.log(fits ? `upload: ${kib} KiB gzip of at most ${uploadLimitKib} KiB` : `upload FAILED (limit ${uploadLimitKib} KiB gzip):\n${stdout}${stderr}`);
    return fits ? { ...nothing, passed: 1 } : { ...nothing, failed: 1 };
  });
}

function testEnvironment() {
  return { ...withProjectPrograms(), ...quietWrangler, NO_COLOR: "1", FORCE_COLOR: undefined };
}

async function inTemporaryFolder(work) {
  const folder = mkdtempSync(path.join(tmpdir(), "clawrouter-test-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
