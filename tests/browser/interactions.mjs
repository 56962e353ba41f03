// Prints how long interactions of the admin page take, over the mock API (build the page first): node tests/browser/interactions.mjs
// Figures for people to read, not a test: they depend on the machine and on what else it does. Times end at the frame that shows the result.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { chromium } from "@playwright/test";
import { projectNode } from "../../scripts/lib/project.mjs";

const RUNS = Number(process.env.RUNS ?? 5);
const PORT = Number(process.env.MOCK_PORT ?? 4178);
const BASE = `http://127.0.0.1:${PORT}`;
const ROOT = path.resolve(import.meta.dirname, "../..");
const fixture = (name) => JSON.parse(readFileSync(path.join(ROOT, `tests/fixtures/admin/${name}.json`), "utf8"));

const FIGURES = [
  { name: "screen change, data cached", budget: 100, slow: 1, run: screenChange },
  { name: "400 rows filtered to 40, 4x CPU", budget: 200, slow: 4, run: (page, slowDown) => tableFilter(page, slowDown, "m3", 40) },
  { name: "filter of 400 rows cleared, first 60 shown, 4x CPU", budget: 200, slow: 4, run: (page, slowDown) => tableFilter(page, slowDown, "", 400) },
  { name: "stream of 600 chunks, 4x CPU, longest task", budget: 100, slow: 4, run: longestTask },
  { name: "trace with 200 spans", budget: 150, slow: 1, run: trace },
  { name: "200 spans expanded", budget: 150, slow: 1, run: expand },
];

const mock = spawn(projectNode, ["e2e/mock/server.ts"], { cwd: path.join(ROOT, "admin-ui"), env: { ...process.env, PORT: String(PORT) }, stdio: "ignore" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => { mock.kill(); process.exit(1); });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  await answers();
  for (const { name, budget, slow, run } of FIGURES) {
    const times = [];
    for (let n = 0; n < RUNS; n += 1) times.push(Math.round(await once(slow, run)));
    times.sort((a, b) => a - b);
    console.log(`${name}: median ${times[RUNS >> 1]} ms of ${times.join(", ")}; budget ${budget} ms`);
  }
} finally {
  await browser.close();
  mock.kill();
}

async function answers() {
  for (let tries = 0; tries < 50; tries += 1) {
    if (await fetch(`${BASE}/admin`).then((answer) => answer.ok, () => false)) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the mock does not answer on port ${PORT}`);
}

/** A fresh page in which `timed(act, shown)` says how long it takes from acting to the frame after which `shown` holds. */
async function once(slow, run) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  await context.addCookies([{ name: "mock", value: `figures-${Math.random()}`, url: BASE }]);
  const page = await context.newPage();
  await page.addInitScript(() => {
    globalThis.timed = (act, shown) => new Promise((done, failed) => {
      const began = performance.now();
      const look = () => (shown() ? requestAnimationFrame(() => setTimeout(() => done(performance.now() - began))) : requestAnimationFrame(look));
      setTimeout(() => failed(new Error(`never shown: ${document.querySelector("h1")?.textContent}, ${document.querySelectorAll("main tbody tr").length} rows`)), 20_000);
      act();
      requestAnimationFrame(look);
    });
    globalThis.tasks = [];
    new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask", buffered: true });
  });
  const cdp = await context.newCDPSession(page);
  const ms = await run(page, () => cdp.send("Emulation.setCPUThrottlingRate", { rate: slow }));
  await context.close();
  return ms;
}

async function settled(page, where) {
  await page.goto(BASE + where);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForLoadState("networkidle");
}

function json(body) {
  return { status: 200, contentType: "application/json", body: JSON.stringify(body) };
}

/** Requests to Keys and back, both seen before. */
async function screenChange(page, slowDown) {
  await settled(page, "/admin/requests");
  const go = (title) => page.evaluate((name) => {
    const link = [...document.querySelectorAll(".rail-link")].find((item) => item.textContent === name);
    return globalThis.timed(() => link.click(), () => document.querySelector("h1")?.textContent.trim() === name && document.querySelector("main tbody tr"));
  }, title);
  await go("Keys");
  await go("Requests");
  await slowDown();
  return go("Keys");
}

async function tableFilter(page, slowDown, text, rows) {
  const document = fixture("models").items[0];
  const candidate = fixture("candidates").items.find((item) => item.executable);
  const ids = Array.from({ length: 400 }, (_, n) => `${document.document.provider}/m${n % 10}-${n}`);
  await page.route("**/admin/api/models?*", (route) => route.fulfill(json({ ...fixture("models"), items: ids.map((id) => ({ ...document, document: { ...document.document, id } })) })));
  await page.route("**/admin/api/candidates*", (route) => route.fulfill(json({ items: ids.map((model) => ({ ...candidate, model, provider: document.document.provider })) })));
  await settled(page, "/admin/models");
  const filter = (q, count) => page.evaluate(([query, amount]) => {
    const input = document.querySelector("main input[type=search]");
    // The table draws sixty rows in the first frame, more than a window shows, and the others after it.
    const rows = () => [...document.querySelectorAll("main table")].some((table) => (amount > 60 ? table.tBodies[0]?.rows.length >= 60 : table.tBodies[0]?.rows.length === amount));
    return globalThis.timed(() => {
      input.value = query;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    }, rows);
  }, [q, count]);
  await page.waitForFunction(() => [...document.querySelectorAll("main table")].some((table) => table.tBodies[0]?.rows.length === 400));
  if (text === "") await filter("m3", 40);
  await slowDown();
  return filter(text, rows);
}

/** An answer of 600 chunks with everything that markdown has; the network is left out. */
async function longestTask(page, slowDown) {
  await page.addInitScript(() => {
    const real = globalThis.fetch;
    const words = ["A **bold** claim, ", "`code` and *emphasis*. ", "Then a [link](https://example.test) follows.\n\n", "- an item of a list\n", "1. a step\n", "## A heading\n\n", "Plain words go on for a while. "];
    globalThis.fetch = (url, init) => {
      if (!String(url).endsWith("/v1/chat/completions")) return real(url, init);
      let n = 0;
      const body = new ReadableStream({
        async pull(to) {
          await new Promise((done) => setTimeout(done, 4));
          const data = n < 600 ? JSON.stringify({ choices: [{ delta: { content: words[n % words.length] } }] }) : "[DONE]";
          to.enqueue(new TextEncoder().encode(`data: ${data}\n\n`));
          if (n === 600) to.close();
          n += 1;
        },
      });
      return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream", "x-request-id": "req_figures" } }));
    };
  });
  await settled(page, "/admin/playground");
  await page.getByLabel("Message").fill("Hello");
  await slowDown();
  await page.evaluate(() => { globalThis.tasks.length = 0; });
  await page.keyboard.press("Control+Enter");
  await page.getByText("trace", { exact: true }).waitFor({ timeout: 120_000 });
  await page.waitForTimeout(300);
  return page.evaluate(() => Math.max(0, ...globalThis.tasks));
}

/** 200 calls; the list is open, the code and the answer are there. */
async function manySpans(page) {
  const trace = fixture("trace");
  const [route, ...calls] = trace.spans;
  const spans = [route, ...Array.from({ length: 199 }, (_, n) => ({ ...calls[n % calls.length], id: n + 2, index: n, attempt: 1, start_ms: n * 30, end_ms: n * 30 + 400 }))];
  await page.route(/\/admin\/api\/requests\/[^/]+$/, (to) => to.fulfill(json({ ...trace, spans })));
  await settled(page, `/admin/requests/${trace.request_id}`);
  await page.evaluate(() => [...document.querySelectorAll(".rail-link")].find((link) => link.textContent === "Requests").click());
  await page.locator("main tbody tr").first().waitFor();
  return trace.request_id;
}

async function trace(page, slowDown) {
  const id = await manySpans(page);
  await slowDown();
  return page.evaluate((request) => globalThis.timed(() => document.querySelector(`main a[href$="${request}"]`).click(), () => document.querySelectorAll("button.wf-row").length === 200), id);
}

async function expand(page, slowDown) {
  const id = await manySpans(page);
  await page.evaluate((request) => document.querySelector(`main a[href$="${request}"]`).click(), id);
  await page.locator("button.wf-row").nth(199).waitFor();
  await slowDown();
  return page.evaluate(() => globalThis.timed(() => [...document.querySelectorAll("main button")].find((button) => button.textContent.startsWith("Expand all")).click(), () => document.querySelectorAll(".wf-row + [role=region]").length === 200));
}
