// What every journey shares: one router per spec file, a signed-in page, and no tolerance for console errors and policy reports.
import { test as base, expect } from "@playwright/test";
import { ADMIN_TOKEN, startRouter } from "../worker/harness.mjs";

export { ADMIN_TOKEN, expect };

let current = null;

/**
 * Builds the stage of a spec file before its tests and ends it after them. `build` may start upstreams; it returns
 * `{setting, upstreams}`, where `setting` is startRouter's and every upstream is closed in the end.
 * The returned object is filled by then: `router` and whatever else `build` returned.
 */
export function stageOf(build) {
  const stage = {};
  test.beforeAll(async () => {
    Object.assign(stage, await build());
    stage.router = await startRouter(stage.setting);
    current = stage.router;
  });
  test.afterAll(async () => {
    current = null;
    await stage.router?.stop();
    await Promise.all((stage.upstreams ?? []).map((upstream) => upstream.close()));
  });
  return stage;
}

export const test = base.extend({
  baseURL: async ({}, use) => use(current?.url),
  problems: [async ({ page }, use) => {
    const problems = [];
    await watch(page, problems);
    await use(problems);
    expect(problems).toEqual([]);
  }, { auto: true }],
});

/** Collects page errors, console errors and policy reports of a page. */
export function watch(page, problems) {
  page.on("pageerror", (error) => problems.push(`page error: ${error.message}`));
  page.on("console", (message) => {
    // A refused call is logged by the browser itself; the journeys that provoke one look at the page instead.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) problems.push(`console: ${message.text()}`);
  });
  return page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`CSP ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
  });
}

/** Signs the page's browser context in without the form; the form has a journey of its own. */
export async function signIn(page) {
  const answer = await page.request.post(`${current.url}/admin/api/session`, {
    data: { token: ADMIN_TOKEN }, headers: { "x-clawrouter-csrf": "1", "sec-fetch-site": "same-origin" },
  });
  expect(answer.status(), await answer.text()).toBe(200);
}

/** Opens a screen and waits until its content is there. */
export async function open(page, where, heading) {
  await page.goto(where);
  await ready(page, heading);
}

/** The screen's heading is shown and nothing is loading. */
export async function ready(page, heading) {
  await expect(page.getByRole("heading", { level: 1, name: heading })).toBeVisible();
  await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
}

/** The page is not wider than the screen. With touch the layout viewport grows with what overflows, so ask the screen. */
export async function expectNoOverflow(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - Math.min(screen.width, innerWidth));
  expect(over).toBeLessThanOrEqual(0);
}

/** Model ids that `GET /v1/models` lists for a key. */
export async function listed(router, key) {
  const { json } = await router.call("/v1/models", undefined, { key });
  return json.data.map((model) => model.id);
}

/** A fresh caller key of a policy. */
export async function mint(router, policy, label) {
  const { json, status, text } = await router.admin("POST", "keys", { policy, label });
  expect(status, text).toBe(201);
  return json.key;
}

/** Every screen by its address, with what its heading says. */
export const screens = [
  ["/admin/overview", "Overview"], ["/admin/requests", "Requests"], ["/admin/playground", "Playground"], ["/admin/inspect", "Route inspector"],
  ["/admin/sessions", "Sessions"], ["/admin/fusion", /^Fusion profile/], ["/admin/models", "Models and providers"], ["/admin/pools", "Pools and fallbacks"],
  ["/admin/policies", "Policies"], ["/admin/keys", "Keys"], ["/admin/usage", "Usage and budgets"], ["/admin/audit", "Audit log"], ["/admin/settings", "Settings"],
];
