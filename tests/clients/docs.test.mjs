// What README.md and docs/ tell people to type and to write down: commands run, documents are accepted, SDK snippets work.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startUpstream } from "../upstream/index.mjs";
import { ADMIN_TOKEN, startRouter } from "../worker/harness.mjs";
import { preparePython } from "./python.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PAGES = ["README.md", ...readdirSync(path.join(ROOT, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
const SCRIPTS = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")).scripts;
/** Programs and packages of others, which these tests do not install. */
const FOREIGN = ["aider", "cloudflared", "codex", "claude", "opencode"];
const FOREIGN_PACKAGES = ["@ai-sdk/openai-compatible"];
/** In which array of a catalog a document belongs, told by a field that only its kind has. */
const KINDS = { targets: "routes", synthesizer: "fusion_profiles", strategy: "pools", allow: "policies", base_url: "providers" };

let upstream;
let router;
const folder = mkdtempSync(path.join(tmpdir(), "clawrouter-docs-"));
before(async () => {
  upstream = await startUpstream({ models: ["qwen3:8b"] });
  router = await startRouter({ vars: { LOCAL_OPENAI_BASE_URL: `${upstream.url}/v1` } });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Fenced blocks of a page: `{language, text, line}`. */
function blocksOf(page) {
  const text = readFileSync(path.join(ROOT, page), "utf8");
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((block) => ({
    language: block[1], text: block[2], line: text.slice(0, block.index).split("\n").length,
  }));
}

/** One command a line, continued lines joined, comments and blank lines left out. */
const commandsOf = (text) => text.replace(/\\\n\s*/g, "").split("\n").map((line) => line.replace(/\s+#.*$|^#.*$/, "").trim()).filter(Boolean);

const here = (text) => text.replaceAll("http://127.0.0.1:8787", router.url).replace(/https:\/\/[a-z-]+\.example\.com/g, router.url).replaceAll("clawrouter-test-…", router.key);

function run(program, args) {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, KEY: router.key, ADMIN_TOKEN, PYTHONIOENCODING: "utf-8", WRANGLER_SEND_METRICS: "false" };
    const child = spawn(program, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], timeout: 60_000, killSignal: "SIGKILL" });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { output += chunk; });
    child.on("close", (code) => resolve({ code, output }));
  });
}

async function succeeds(program, args) {
  const { code, output } = await run(program, args);
  assert.equal(code, 0, output);
  return output;
}

async function runCommand(command, context) {
  const words = command.split(/\s+/).filter((word) => !/^[A-Z_0-9]+=/.test(word));
  if (words.length === 0 || words[0] === "export") return;
  if (words[0] === "curl") {
    const output = await succeeds("sh", ["-c", here(command).replace(/^curl /, "curl --silent --fail-with-body --max-time 20 ")]);
    if (!command.includes(">")) assert.ok(output.length > 0);
  } else if (words[0] === "npm") {
    const script = words[1] === "run" ? words[2] : words[1];
    assert.ok(SCRIPTS[script], `package.json has no script ${script}`);
  } else if (words[0] === "npx" && words[1] === "wrangler") {
    const parts = words.slice(2).filter((word) => /^[a-z0-9]+$/.test(word)).slice(0, 2);
    assert.match(await wranglerHelp(parts.join(" ")), new RegExp(`wrangler ${parts.join(" ")}`));
  } else {
    assert.ok(FOREIGN.includes(words[0]), `no test knows how to run: ${command}`);
    context.diagnostic(`not run, needs ${words[0]}: ${command}`);
  }
}

const helpOf = new Map();
async function wranglerHelp(command) {
  if (!helpOf.has(command)) helpOf.set(command, await succeeds(path.join(ROOT, "node_modules/.bin/wrangler"), [...command.split(" "), "--help"]));
  return helpOf.get(command);
}

const RUNNERS = {
  sh: async (text, context) => { for (const command of commandsOf(text)) await runCommand(command, context); },
  python: (text) => succeeds(preparePython(), ["-c", here(text)]),
  js: async (text, context) => {
    const foreign = FOREIGN_PACKAGES.find((name) => text.includes(name));
    if (foreign) return context.diagnostic(`not run, needs ${foreign}`);
    const resolved = here(text).replaceAll(/from "(\w+)"/g, (_, name) => `from ${JSON.stringify(import.meta.resolve(name))}`);
    await succeeds(process.execPath, ["--input-type=module", "--eval", resolved]);
  },
  json: async (text) => {
    const document = JSON.parse(text);
    const kind = KINDS[Object.keys(KINDS).find((field) => field in document)];
    if (!kind) return;
    const answer = await router.admin("POST", "import", { [kind]: [document] });
    assert.equal(answer.status, 200, answer.text);
  },
};

for (const page of PAGES) {
  describe(page, () => {
    for (const { language, text, line } of blocksOf(page).filter((block) => RUNNERS[block.language])) {
      test(`line ${line}: ${language}`, (context) => RUNNERS[language](text, context));
    }
  });
}
