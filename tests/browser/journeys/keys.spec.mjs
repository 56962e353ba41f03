// A key's life: made, used, rotated with an overlap, revoked.
import { chat } from "../../worker/documents.mjs";
import { expect, open, signIn, stageOf, test } from "../stage.mjs";
import { startTeam, teamCatalog } from "../team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam();
  return { ...team, setting: { catalog: teamCatalog(team) } };
});

const use = async (key) => (await stage.router.call("/v1/chat/completions", chat("acme/small"), { key })).status;

async function shownKey(page, title) {
  const dialog = page.getByRole("dialog", { name: title });
  const [key] = /clawrouter-live-\w+-\w+/.exec(await dialog.getByLabel("The new key").innerText());
  await dialog.getByLabel("I stored it").check();
  await dialog.getByRole("button", { name: "Done" }).click();
  return key;
}

test("a key is created, used, rotated with an overlap and revoked; the next call is refused", async ({ page }) => {
  await signIn(page);
  await open(page, "/admin/keys", "Keys");
  await page.getByRole("button", { name: "Create key" }).first().click();
  const create = page.getByRole("dialog", { name: "Create key" });
  await create.getByLabel("Name").fill("build-server");
  await create.getByLabel("Policy").selectOption("team-research");
  await create.getByRole("button", { name: "Create key" }).click();
  const first = await shownKey(page, "Key created");
  expect(await use(first)).toBe(200);

  const rows = page.getByRole("table", { name: "Keys" }).getByRole("row").filter({ hasText: "build-server" });
  await expect(rows).toHaveCount(1);
  const { kid } = (await stage.router.admin("GET", "keys?q=build-server")).json.items[0];
  const { document, revision } = (await stage.router.admin("GET", `keys/${kid}`)).json;
  await stage.router.admin("PUT", `keys/${kid}`, { ...document, policy: "default" }, { "if-match": `"${revision}"` });
  await rows.getByRole("button", { name: "Actions for build-server" }).click();
  await page.getByRole("menuitem", { name: "History" }).click();
  const history = page.getByRole("dialog", { name: "History of build-server" });
  await history.getByRole("button", { name: `Restore revision ${revision}` }).click();
  await expect(page.getByText(`Revision ${revision} of build-server restored as revision ${revision + 2}.`)).toBeVisible();
  expect((await stage.router.admin("GET", `keys/${kid}`)).json.policy).toBe("team-research");

  await rows.getByRole("button", { name: "Actions for build-server" }).click();
  await page.getByRole("menuitem", { name: "Rotate" }).click();
  const rotate = page.getByRole("dialog", { name: "Rotate build-server" });
  await rotate.getByLabel("Overlap").selectOption({ label: "1 hour" });
  await rotate.getByRole("button", { name: "Rotate key" }).click();
  const second = await shownKey(page, "Key rotated");
  expect(second).not.toBe(first);
  expect([await use(first), await use(second)]).toEqual([200, 200]);

  await expect(rows).toHaveCount(2);
  for (const key of [first, second]) {
    const row = page.getByRole("table", { name: "Keys" }).getByRole("row").filter({ hasText: key.slice(-4) });
    await row.getByRole("button", { name: "Actions for build-server" }).click();
    await page.getByRole("menuitem", { name: "Revoke" }).click();
    const revoke = page.getByRole("dialog", { name: "Revoke build-server" });
    await expect(revoke.getByText("In use.")).toBeVisible();
    await revoke.getByLabel("Type build-server to confirm").fill("build-server");
    await revoke.getByRole("button", { name: "Revoke key" }).click();
    await expect(row).toContainText("revoked");
    expect([401, 403]).toContain(await use(key));
  }
});
