// A conversation stays with its model: two turns, one place; unpinned, the next turn is routed anew.
import { expect, open, signIn, stageOf, test } from "../stage.mjs";
import { startTeam, teamCatalog } from "../team.mjs";

const MODELS = ["small", "large", "wise"];
const stage = stageOf(async () => {
  const team = await startTeam();
  const catalog = teamCatalog(team);
  // Equal weights in one order: without a pin, each request draws anew.
  catalog.routes.push({ id: "spread", targets: MODELS.map((name) => ({ model: `acme/${name}`, order: 0, weight: 1 })) });
  return { ...team, setting: { catalog } };
});

const asked = () => stage.acme.calls.map((call) => call.model);

test("two turns go to one model; unpinned, the conversation may go elsewhere", async ({ page }) => {
  await signIn(page);
  const turn = async (number) => {
    await page.getByLabel("Message").fill(`Turn ${number}`);
    await page.getByLabel("Message").press("Control+Enter");
    await expect(page.getByRole("group", { name: "Conversation" }).getByRole("link", { name: "trace" })).toHaveCount(number);
  };
  const talk = () => open(page, "/admin/playground?model=clawrouter%2Fspread&policy=default&session=weekly-report", "Playground");
  await talk();
  for (const number of [1, 2, 3]) await turn(number);
  const [pinned] = asked();
  expect(asked()).toEqual([pinned, pinned, pinned]);

  await open(page, "/admin/sessions", "Sessions");
  const row = page.getByRole("table", { name: "Sessions" }).getByRole("row").filter({ hasText: "weekly-report" });
  await expect(row).toContainText(`acme/${pinned}`);
  await expect(row).toContainText("3");

  // Each unpinned turn draws one of three: that all of twenty are the same has a chance of one in a thousand million.
  const places = new Set();
  for (let tries = 0; tries < 20 && places.size < 2; tries += 1) {
    await open(page, "/admin/sessions", "Sessions");
    await row.getByRole("button", { name: /^Unpin/ }).click();
    await expect(page.getByText("Unpinned. The next turn is routed anew.").first()).toBeVisible();
    await expect(row).toHaveCount(0);
    await talk();
    await turn(1);
    places.add(asked().at(-1));
    await expect(async () => {
      await open(page, "/admin/sessions", "Sessions");
      await expect(row).toContainText(`acme/${asked().at(-1)}`, { timeout: 1_000 });
    }).toPass();
  }
  expect(places.size).toBeGreaterThan(1);
});
