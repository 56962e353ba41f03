// Two people edit the same policy: the second save shows both versions instead of overwriting.
import { expect, open, signIn, stageOf, test, watch } from "../stage.mjs";
import { startTeam, teamCatalog } from "../team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam();
  return { ...team, setting: { catalog: teamCatalog(team) } };
});

test("the second tab's save is shown as a difference; mine or theirs is a choice", async ({ page, context, problems }) => {
  await signIn(page);
  const other = await context.newPage();
  await watch(other, problems);
  for (const tab of [page, other]) await open(tab, "/admin/policies/team-research", "Policies");
  const limit = async (tab, value) => {
    await tab.getByLabel("Limit").fill(value);
    await tab.getByRole("button", { name: "Save policy" }).click();
  };
  await limit(page, "60");
  await expect(page.getByText(/Policy team-research saved, revision 2/)).toBeVisible();

  await limit(other, "70");
  const conflict = other.getByRole("alert").filter({ hasText: "Revision 2 was saved meanwhile by local-admin." });
  await expect(conflict).toBeVisible();
  await expect(conflict).toContainText("60");
  await expect(conflict).toContainText("70");
  await conflict.getByRole("button", { name: "Take theirs" }).click();
  await expect(other.getByLabel("Limit")).toHaveValue("60");
  await expect(conflict).toHaveCount(0);

  await limit(other, "80");
  await expect(other.getByText(/Policy team-research saved, revision 3/)).toBeVisible();
  await limit(page, "90");
  await page.getByRole("alert").getByRole("button", { name: "Keep mine" }).click();
  await expect(page.getByText(/Policy team-research saved, revision 4/)).toBeVisible();
  const { json } = await stage.router.admin("GET", "policies/team-research");
  expect(Number(json.document.budgets[0].limit_usd)).toBe(90);
});
