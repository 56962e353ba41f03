// The synthesizer's provider is turned off: callers stop seeing the model, and the page says why.
import { expect, listed, mint, open, ready, signIn, stageOf, test } from "../stage.mjs";
import { fusionProfile, startTeam, teamCatalog } from "../team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam();
  // The advisers live elsewhere: only the synthesizer is lost.
  const profile = fusionProfile({ enabled: true, advisers: [{ model: "bolt/quick" }] });
  return { ...team, setting: { catalog: { ...teamCatalog(team), fusion_profiles: [profile] } } };
});

test("a provider is turned off, fusion disappears for callers, the fusion page and the overview name the cause", async ({ page }) => {
  const key = await mint(stage.router, "default", "ada-laptop");
  expect(await listed(stage.router, key)).toContain("clawrouter/fusion");
  await signIn(page);
  await open(page, "/admin/models", "Models and providers");
  await page.getByRole("button", { name: "Actions for acme", exact: true }).click();
  await page.getByRole("menuitem", { name: "Turn off" }).click();
  await expect(page.getByText("Provider acme is off.", { exact: true })).toBeVisible();

  expect(await listed(stage.router, key)).not.toContain("clawrouter/fusion");
  await page.getByRole("link", { name: "Fusion", exact: true }).click();
  await ready(page, /^Fusion profile/);
  await expect(page.getByText("clawrouter/fusion is hidden for everyone.")).toBeVisible();
  await expect(page.getByRole("region", { name: "Live readiness" }).getByText(/Provider acme/).first()).toBeVisible();
  await page.getByRole("link", { name: "Overview" }).click();
  await expect(page.getByRole("region", { name: "Needs attention" }).getByText(/clawrouter\/fusion/)).toBeVisible();

  await open(page, "/admin/models", "Models and providers");
  await page.getByRole("button", { name: "Actions for acme", exact: true }).click();
  await page.getByRole("menuitem", { name: "Turn on" }).click();
  await expect(page.getByText("Provider acme is on.")).toBeVisible();
  expect(await listed(stage.router, key)).toContain("clawrouter/fusion");
});
