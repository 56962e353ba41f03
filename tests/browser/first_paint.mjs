// Prints when the largest content is painted, real Worker on this machine: node tests/browser/first_paint.mjs [screen…]
// Figures for people to read, not a test: they depend on the machine and on what else it does.
import { chromium } from "@playwright/test";
import { ADMIN_TOKEN, startRouter } from "../worker/harness.mjs";
import { fusionProfile, startTeam, teamCatalog } from "./team.mjs";

const RUNS = 5;
const screens = process.argv.length > 2 ? process.argv.slice(2) : ["/admin/overview", "/admin/fusion", "/admin/models", "/admin/requests"];
const KINDS = [
  ["unthrottled", null],
  ["4x CPU", { rate: 4 }],
  ["4x CPU, 10 Mbit/s, 40 ms", { rate: 4, network: { offline: false, latency: 40, downloadThroughput: 1_250_000, uploadThroughput: 1_250_000 } }],
];

const team = await startTeam();
const router = await startRouter({ catalog: { ...teamCatalog(team), fusion_profiles: [fusionProfile({ enabled: true })] } });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  for (const screen of ["/admin (sign-in)", ...screens]) {
    for (const [name, slow] of KINDS) {
      const times = [];
      let bytes = 0;
      for (let run = 0; run < RUNS; run += 1) {
        const shown = await paint(screen, slow);
        times.push(shown.ms);
        bytes = shown.bytes;
      }
      times.sort((a, b) => a - b);
      console.log(`${screen}, ${name}: LCP median ${times[2]} ms of ${times.join(", ")}; ${(bytes / 1024).toFixed(0)} KiB transferred`);
    }
  }
} finally {
  await browser.close();
  await router.stop();
  await Promise.all(team.upstreams.map((upstream) => upstream.close()));
}

// A fresh context each time: nothing is cached.
async function paint(screen, slow) {
  const signedOut = screen.endsWith("(sign-in)");
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  if (!signedOut) await context.request.post(`${router.url}/admin/api/session`, { data: { token: ADMIN_TOKEN }, headers: { "x-clawrouter-csrf": "1", "sec-fetch-site": "same-origin" } });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  let bytes = 0;
  cdp.on("Network.loadingFinished", (event) => { bytes += event.encodedDataLength; });
  if (slow) await cdp.send("Emulation.setCPUThrottlingRate", { rate: slow.rate });
  if (slow?.network) await cdp.send("Network.emulateNetworkConditions", slow.network);
  await page.addInitScript(() => {
    globalThis.paints = [];
    new PerformanceObserver((list) => globalThis.paints.push(...list.getEntries().map((entry) => entry.startTime))).observe({ type: "largest-contentful-paint", buffered: true });
  });
  await page.goto(router.url + (signedOut ? "/admin" : screen));
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForLoadState("networkidle");
  const ms = Math.round(await page.evaluate(() => globalThis.paints.at(-1)));
  await context.close();
  return { ms, bytes };
}
