// Pictures of every screen on the real Worker with real data, for the eye: node tests/browser/pictures.mjs FOLDER [screen…]
import { mkdirSync } from "node:fs";
import path from "node:path";
import { chromium } from "@playwright/test";
import { chat } from "../worker/documents.mjs";
import { ADMIN_TOKEN, startRouter } from "../worker/harness.mjs";
import { screens } from "./stage.mjs";
import { fusionProfile, startTeam, teamCatalog } from "./team.mjs";

const CHAT = "/v1/chat/completions";
/** Pictures that need a hand: [name, address, what to do]. */
const acts = [
  ["x-setup", "/admin/overview?setup=1", async () => {}],
  ["x-palette", "/admin/overview", (page) => page.keyboard.press("Control+k")],
  ["x-test-prompt", "/admin/fusion?panel=test&policy=default", async (page) => {
    await page.getByRole("button", { name: "Retries" }).click();
    await page.getByRole("dialog").getByRole("button", { name: /^Run/ }).click();
    await page.getByRole("link", { name: "Open the trace" }).waitFor();
  }],
  ["x-review", "/admin/fusion?panel=review", async () => {}],
  ["x-inspect", "/admin/inspect?model=clawrouter%2Fsupport", async (page) => {
    await page.getByLabel("Prompt, or a JSON request body").fill("Summarise this changelog in three bullets for customers.");
    await page.getByRole("button", { name: /^Inspect/ }).click();
    await page.getByText("dry run").waitFor();
  }],
  ["x-playground", "/admin/playground?model=acme%2Fwise", async (page) => {
    await page.getByLabel("Message").fill("How should retries work?");
    await page.getByRole("button", { name: /^Send/ }).click();
    await page.getByRole("link", { name: "trace" }).waitFor();
  }],
  ["x-create-key", "/admin/keys?new=1", async () => {}],
  ["x-created-key", "/admin/keys?new=1", async (page) => {
    await page.getByRole("dialog").getByRole("button", { name: "Create key" }).click();
    await page.getByLabel("First request").waitFor();
  }],
  ["x-wizard", "/admin/models?wizard=1", async (page) => {
    await page.getByLabel("Address").fill(team.acme.url);
    await page.getByRole("button", { name: "Check endpoint" }).click();
    await page.getByRole("list", { name: "Checks" }).waitFor();
  }],
  ["x-routing", null, (page) => page.getByRole("tab", { name: "Routing" }).click()],
  ["x-provider-openai", "/admin/models?provider=openai", async () => {}],
];

const [folder = "pictures", ...only] = process.argv.slice(2);

const team = await startTeam();
const router = await startRouter({ catalog: { ...teamCatalog(team), fusion_profiles: [fusionProfile({ enabled: true })] } });
let browser;
let requests;
try {
  requests = await useTheRouter();
  mkdirSync(folder, { recursive: true });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
  const wanted = [...screens.map(([where]) => where), `/admin/requests/${requests.fusion}`, `/admin/requests/${requests.failed}`, "/admin/policies/team-research"]
    .filter((where) => only.length === 0 || only.some((name) => where.includes(name)));
  for (const [width, height] of [[1440, 900], [390, 844]]) {
    for (const theme of ["light", "dark"]) await shoot(wanted, width, height, theme);
  }
} finally {
  await browser?.close();
  await router.stop();
  await Promise.all(team.upstreams.map((upstream) => upstream.close()));
}

/** Traffic of every kind: plain, streamed, cached session, fallback, failure, refusal, fusion. */
async function useTheRouter() {
  const keys = {};
  for (const [policy, label] of [["team-research", "ada-laptop"], ["contractors", "ci"], ["default", "support-bot"]]) {
    keys[policy] = (await router.admin("POST", "keys", { policy, label, principal: `${label}@example.com` })).json.key;
  }
  const call = (body, key, session) => router.call(CHAT, body, { key, headers: session ? { "x-session-id": session } : {} });
  for (let turn = 0; turn < 6; turn += 1) {
    await call(chat("acme/large"), keys["team-research"], "thread-1");
    await call(chat("clawrouter/support"), keys.default, `thread-${turn % 2}`);
    await router.stream(CHAT, chat("bolt/quick"), { key: keys.contractors });
  }
  await call(chat("acme/wise"), keys.contractors);
  const fusion = await call(chat("clawrouter/fusion"), keys["team-research"]);
  team.acme.script({ do: "error", fixture: "openai/engine_overloaded" });
  const failed = await call(chat("clawrouter/support"), keys.default);
  await call(chat("acme/large"), keys["team-research"]);
  team.acme.script(team.rules);
  console.log("fusion", fusion.status, "fallback", failed.status);
  return { fusion: fusion.headers["x-request-id"], failed: failed.headers["x-request-id"] };
}

async function shoot(wanted, width, height, theme) {
  const narrow = width < 600;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce", locale: "en-GB", timezoneId: "UTC", hasTouch: narrow, isMobile: narrow });
  await context.request.post(`${router.url}/admin/api/session`, { data: { token: ADMIN_TOKEN }, headers: { "x-clawrouter-csrf": "1", "sec-fetch-site": "same-origin" } });
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error") console.log("console:", message.text()); });
  page.on("pageerror", (error) => console.log("page error:", error.message));
  for (const where of wanted) {
    await page.goto(router.url + where);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    const over = await page.evaluate(() => document.documentElement.scrollWidth - Math.min(screen.width, innerWidth));
    const name = `${where.replace(/^\/admin\//, "").replace(/req_\w+/, (id) => (id === requests.fusion ? "fusion" : "failed")).replace(/\W+/g, "-")}-${width}-${theme}.png`;
    await page.screenshot({ path: path.join(folder, name), fullPage: true });
    console.log(name, over > 0 ? `OVERFLOWS by ${over}` : "");
  }
  for (const [name, where, act] of acts) {
    if (only.length > 0 && !only.some((part) => name.includes(part))) continue;
    await page.goto(router.url + (where ?? `/admin/requests/${requests.fusion}`));
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    await act(page);
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: path.join(folder, `${name}-${width}-${theme}.png`) });
    console.log(name);
  }
  await context.close();
}
