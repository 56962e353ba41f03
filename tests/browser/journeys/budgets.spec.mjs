// A budget is used up: calls are refused with when it resets, the page stays usable, and the totals add up.
import { chat } from "../../worker/documents.mjs";
import { expect, mint, open, ready, signIn, stageOf, test } from "../stage.mjs";
import { startTeam, teamCatalog } from "../team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam();
  team.acme.script({ do: "answer", text: "Done.", usage_values: { prompt_tokens: 400, completion_tokens: 500, total_tokens: 900 } });
  const catalog = teamCatalog(team);
  // One call reserves and costs 400 x $2 + 500 x $8 a million = $0.0048.
  catalog.policies.find((policy) => policy.id === "team-research").budgets = [{ window: "day", limit_usd: 0.0105, scope: "policy", hard: true }];
  return { ...team, setting: { catalog } };
});

const dollars = (text) => Number(/\$([\d.,]+)/.exec(text)[1].replaceAll(",", ""));

test("calls are refused with the reset time, the page works, totals equal the sum of their rows", async ({ page }) => {
  const key = await mint(stage.router, "team-research", "ada-laptop");
  const call = () => stage.router.call("/v1/chat/completions", chat("acme/large", { max_tokens: 500 }), { key });
  expect([(await call()).status, (await call()).status]).toEqual([200, 200]);
  const refused = await call();
  expect(refused.status, refused.text).toBe(402);
  expect(refused.json.error.code).toBe("budget_exceeded");
  const tomorrow = new Date(Math.floor(Date.now() / 86_400_000 + 1) * 86_400_000).toISOString().slice(0, 10);
  expect(refused.text).toContain(tomorrow);
  expect(stage.acme.calls.length).toBe(2);

  await signIn(page);
  await open(page, "/admin/usage", "Usage and budgets");
  const budget = page.getByRole("table", { name: "Budgets" }).getByRole("row").filter({ hasText: "team-research" });
  await expect(budget).toContainText("$0.0096 of $0.0105");
  await expect(budget).toContainText("00:00 UTC");
  for (const split of ["By policy", "By key", "By model", "By provider", "By day"]) {
    await page.getByLabel("Split").selectOption({ label: split });
    const table = page.getByRole("table", { name: `Usage ${split.toLowerCase()}` });
    const rows = table.locator("tbody").getByRole("row");
    await expect(rows.first()).toBeVisible();
    const costs = await rows.evaluateAll((list) => list.map((row) => row.children[1].textContent));
    const total = await table.locator("tfoot").getByRole("cell").nth(1).innerText();
    expect(costs.reduce((sum, text) => sum + dollars(text), 0)).toBeCloseTo(dollars(total), 9);
    expect(dollars(total)).toBeCloseTo(0.0096, 9);
  }
  await open(page, "/admin/usage?group=policy", "Usage and budgets");
  await page.getByRole("table", { name: "Usage by policy" }).getByRole("link", { name: "team-research" }).click();
  await ready(page, "Requests");
  const rows = page.getByRole("table", { name: "Requests" }).getByRole("row").filter({ hasText: "acme/large" });
  await expect(rows.filter({ hasText: "$0.0048" })).toHaveCount(2);
  await expect(page.getByLabel("Of all requests in this filter")).toContainText("$0.0096");

  // The playground says what a caller would be told, and the way out is on the policy's page.
  await open(page, "/admin/playground?policy=team-research&model=acme%2Flarge", "Playground");
  await page.getByLabel("Max tokens").fill("500");
  await page.getByLabel("Message").fill("Once more.");
  await page.getByRole("button", { name: /^Send/ }).click();
  await expect(page.getByRole("alert").getByText(/budget/i).first()).toBeVisible();
  await open(page, "/admin/policies/team-research", "Policies");
  await page.getByLabel("Limit").fill("1");
  await page.getByRole("button", { name: "Save policy" }).click();
  await expect(page.getByText(/Policy team-research saved/)).toBeVisible();
  expect((await call()).status).toBe(200);
});
