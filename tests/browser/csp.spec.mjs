// The page runs under its strict policy on the real Worker: no report on any screen, strict headers on everything under /admin.
import { chat } from "../worker/documents.mjs";
import { ADMIN_TOKEN, expect, open, screens, signIn, stageOf, test } from "./stage.mjs";
import { fusionProfile, startTeam, teamCatalog } from "./team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam();
  return { ...team, setting: { catalog: { ...teamCatalog(team), fusion_profiles: [fusionProfile({ enabled: true })] } } };
});

test("every screen runs with real data, without a report or a console error", async ({ page }) => {
  const answers = [];
  for (const model of ["acme/large", "clawrouter/support", "clawrouter/fusion"]) answers.push(await stage.router.call("/v1/chat/completions", chat(model)));
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
  await signIn(page);
  const traces = answers.map((answer) => [`/admin/requests/${answer.headers["x-request-id"]}`, /^Request/]);
  for (const [where, heading] of [...screens, ...traces]) {
    await open(page, where, heading);
    // Neither a failed call nor an answer that does not fit the page's schema.
    await expect(page.getByRole("alert"), where).toHaveCount(0);
  }
  for (const [where, dialog] of [["/admin/fusion?panel=review", /^Enable/], ["/admin/fusion?panel=history", /^History/], ["/admin/fusion?panel=test", "Test prompt"], ["/admin/models?wizard=1", "Connect local endpoint"], ["/admin/keys?new=1", "Create key"], ["/admin/policies?new=1", "New policy"]]) {
    await page.goto(where);
    await expect(page.getByRole("dialog", { name: dialog })).toBeVisible();
  }
});

test("strict headers on the page, a screen, an asset and the API", async ({ request }) => {
  const base = stage.router.url;
  const html = await request.get(`${base}/admin`);
  const asset = /\/admin\/assets\/index-[^"]+\.js/.exec(await html.text())[0];
  const api = await request.get(`${base}/admin/api/me`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  const refused = await request.get(`${base}/admin/api/me`);
  expect([html.status(), api.status(), refused.status()]).toEqual([200, 200, 401]);
  for (const response of [html, await request.get(`${base}/admin/`), await request.get(`${base}/admin/fusion`), await request.get(base + asset), await request.get(`${base}/admin/theme.js`), api, refused]) {
    const headers = response.headers();
    expect(headers["content-security-policy"], response.url()).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(headers["content-security-policy"]).toContain("require-trusted-types-for 'script'; trusted-types 'none'");
    expect(headers["content-security-policy"]).not.toContain("unsafe");
    expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin" });
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  }
  expect((await request.get(base + asset)).headers()["cache-control"]).toContain("immutable");
  expect(html.headers()["cache-control"]).toBe("no-cache");
  expect(api.headers()["cache-control"]).toBe("no-store");
});

test("a write by cookie from another site, without the header, or of another type is refused", async ({ page, request }) => {
  await signIn(page);
  const [cookie] = await page.context().cookies();
  const good = { cookie: `${cookie.name}=${cookie.value}`, "content-type": "application/json", "x-clawrouter-csrf": "1", "sec-fetch-site": "same-origin" };
  const post = async (headers) => (await request.post(`${stage.router.url}/admin/api/pools/acme/reset`, { headers, data: "{}" })).status();
  const { "x-clawrouter-csrf": _, ...headerless } = good;
  const { "sec-fetch-site": __, ...siteless } = good;
  expect(await post(good)).toBe(200);
  expect([await post(headerless), await post({ ...good, "sec-fetch-site": "cross-site" }), await post({ ...good, "content-type": "text/plain" }), await post({ ...siteless, origin: "https://evil.example" })]).toEqual([403, 403, 403, 403]);
  expect(await post({ ...siteless, origin: stage.router.url })).toBe(200);
});
