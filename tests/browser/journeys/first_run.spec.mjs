// I just deployed: sign in, follow the checklist, make a key, send the printed request, see it arrive.
import { ADMIN_TOKEN, expect, ready, stageOf, test } from "../stage.mjs";
import { startTeam, teamCatalog } from "../team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam();
  return { ...team, setting: { catalog: teamCatalog(team) } };
});

test("from the admin token to a first request that turns the checklist green", async ({ page }) => {
  await page.goto("/admin");
  await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await ready(page, "Overview");

  const list = page.getByRole("region", { name: "Set up" });
  const row = (name) => list.getByRole("listitem").filter({ hasText: name });
  await expect(row("Sign-in method")).toContainText("done");
  await expect(row("A provider is connected")).toContainText("done");
  await expect(row("First request")).toContainText("open");
  await row("A model proven by a real call").getByRole("button").click();
  await expect(row("A model proven by a real call")).toContainText("done");

  await row("A key").getByRole("link").first().click();
  const create = page.getByRole("dialog", { name: "Create key" });
  await create.getByLabel("Name").fill("ada-laptop");
  await create.getByRole("button", { name: "Create key" }).click();
  const created = page.getByRole("dialog", { name: "Key created" });
  const key = await created.getByLabel("The new key").innerText();
  expect(key).toMatch(/clawrouter-live-\w+-\w+/);
  const command = await created.getByLabel("First request").innerText();
  await expect(created.getByRole("button", { name: "Done" })).toBeDisabled();

  // What a reader would paste into a shell, taken apart instead of run.
  const [, url] = /curl (\S+)/.exec(command);
  const [, bearer] = /Authorization: Bearer (\S+)"/.exec(command);
  const [, body] = /-d '([\s\S]*)'/.exec(command);
  expect(url).toBe(`${stage.router.url}/v1/chat/completions`);
  expect(key).toContain(bearer);
  const answer = await page.request.post(url, { headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" }, data: body });
  expect(answer.status(), await answer.text()).toBe(200);

  await created.getByLabel("I stored it").check();
  await created.getByRole("button", { name: "Done" }).click();
  await expect(page.getByRole("table", { name: "Keys" }).getByText("ada-laptop")).toBeVisible();
  expect(await page.content()).not.toContain(bearer);

  await page.getByRole("link", { name: "Overview" }).click();
  await ready(page, "Overview");
  const trace = page.getByRole("table", { name: "Latest requests" }).getByRole("link").first();
  // The page looks every five seconds.
  await expect(trace).toBeVisible({ timeout: 20_000 });
  await page.goto("/admin/overview?setup=1");
  await expect(row("First request")).toContainText("done");
  await row("First request").getByRole("link", { name: "Open its trace" }).click();
  await ready(page, /^Request/);
  await expect(page.getByText("key “ada-laptop”")).toBeVisible();
});
