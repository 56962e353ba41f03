// Getting in and out: a wrong token is explained, signing out ends the session on the server.
import { ADMIN_TOKEN, expect, ready, stageOf, test } from "../stage.mjs";

const stage = stageOf(async () => ({ setting: {} }));

test("a wrong token is refused in words; after signing out the old cookie is worth nothing", async ({ page, context, request }) => {
  await page.goto("/admin/keys");
  await page.getByLabel("Admin token").fill("not-the-admin-token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText("This token is not the admin token of this deployment.")).toBeVisible();
  await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await ready(page, "Keys");

  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
  const replay = () => request.get(`${stage.router.url}/admin/api/me`, { headers: { cookie: `${cookie.name}=${cookie.value}` } });
  expect((await replay()).status()).toBe(200);
  expect(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))).not.toContain(ADMIN_TOKEN);

  await page.getByRole("button", { name: "admin" }).click();
  await page.getByRole("menuitem", { name: "Sign out", exact: true }).click();
  await expect(page.getByLabel("Admin token")).toBeVisible();
  expect((await replay()).status()).toBe(401);
  await page.goto("/admin/keys");
  await expect(page.getByLabel("Admin token")).toBeVisible();
});

test("a session that ended elsewhere leads back to the sign-in, which says so", async ({ page }) => {
  await page.goto("/admin/overview");
  await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await ready(page, "Overview");
  expect((await stage.router.admin("DELETE", "session?everywhere=1")).status).toBe(204);
  await page.getByRole("link", { name: "Keys" }).click();
  await expect(page.getByText("Your session ended.")).toBeVisible();
});

test("too many wrong tokens make one wait, with the seconds shown", async ({ page }) => {
  await page.goto("/admin");
  const wait = page.getByText(/Too many tries\. The next one is possible in \d+ s\./);
  for (let tries = 0; tries < 12 && !(await wait.isVisible()); tries += 1) {
    const answered = page.waitForResponse((response) => response.url().endsWith("/admin/api/session"));
    await page.getByLabel("Admin token").fill(`wrong-${tries}`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await answered;
    await expect(page.getByText("This token is not the admin token of this deployment.").or(wait)).toBeVisible();
  }
  await expect(wait).toBeVisible();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeDisabled();
});
