// Somebody without a role on the team's page: an own key, an own conversation, its trace and what it said; nobody else's.
import { accessDouble } from "../../worker/access.mjs";
import { chat } from "../../worker/documents.mjs";
import { expect, open, ready, stageOf, test } from "../stage.mjs";
import { SAYS, startTeam, teamCatalog } from "../team.mjs";

const ANN = "ann@example.com";
const BOB = "bob@example.com";
const PROMPT = "How do I retry a message without sending it twice?";
const { setting, assertion } = accessDouble({ admins: "root@example.com", operators: "ops@example.com" });

const stage = stageOf(async () => {
  const team = await startTeam();
  const catalog = teamCatalog(team);
  catalog.policies.find((policy) => policy.id === "team-research").retain_content = true;
  return {
    ...team,
    setting: {
      vars: { ...setting.vars, SEAL_KEY: Buffer.alloc(32, 7).toString("base64") },
      around: (worker) => {
        worker.r2Buckets = { CONTENT: "content" };
        return setting.around(worker);
      },
      catalog: { ...catalog, settings: { member_policies: ["team-research"] } },
    },
  };
});

/** What Access would add to each of a person's requests. */
const comesAs = (page, email) => page.context().setExtraHTTPHeaders({ "cf-access-jwt-assertion": assertion(email) });

/** A request of somebody else, with its id. */
async function requestOf(principal, policy) {
  const { json, status, text } = await stage.router.admin("POST", "keys", { policy, label: "other", principal });
  expect(status, text).toBe(201);
  const answer = await stage.router.call("/v1/chat/completions", chat(policy === "contractors" ? "bolt/quick" : "acme/small"), { key: json.key });
  expect(answer.status, answer.text).toBe(200);
  return { id: answer.headers["x-request-id"], kid: json.kid };
}

test("a member makes a key, talks to a model, reads their own trace and content, and sees nobody else's", async ({ page }) => {
  const other = await requestOf(BOB, "team-research");
  await comesAs(page, ANN);
  await open(page, "/admin/keys", "Keys");
  await expect(page.getByRole("navigation", { name: "Screens" }).getByRole("link")).toHaveText(["clawrouter", "Requests", "Playground", "Route inspector", "Keys", "Usage and budgets"]);
  await expect(page.getByText("other")).toHaveCount(0);
  await page.getByRole("button", { name: "Create key" }).first().click();
  const create = page.getByRole("dialog", { name: "Create key" });
  await create.getByLabel("Name").fill("ann-laptop");
  await expect(create.getByLabel("Policy").getByRole("option")).toHaveText(["team-research"]);
  await create.getByRole("button", { name: "Create key" }).click();
  const created = page.getByRole("dialog", { name: "Key created" });
  await created.getByLabel("I stored it").check();
  await created.getByRole("button", { name: "Done" }).click();
  await expect(page.getByRole("rowheader", { name: /ann-laptop/ })).toBeVisible();

  // Which model would it be, as her own key: no call, nothing recorded.
  const calls = stage.acme.calls.length;
  await open(page, "/admin/inspect?model=acme%2Fsmall", "Route inspector");
  await expect(page.getByLabel("As policy").getByRole("option")).toHaveText(["team-research"]);
  await page.getByLabel("Prompt, or a JSON request body").fill(PROMPT);
  await page.getByRole("button", { name: /^Inspect/ }).click();
  await expect(page.getByRole("region", { name: "Decision" }).getByText(/acme\/small/).first()).toBeVisible();
  expect(stage.acme.calls.length).toBe(calls);

  await page.getByRole("button", { name: "Send for real" }).click();
  await ready(page, "Playground");
  await expect(page.getByLabel("Message")).toHaveValue(PROMPT);
  await page.getByRole("button", { name: /^Send/ }).click();
  const talk = page.getByRole("group", { name: "Conversation" });
  await expect(talk.getByText(SAYS.small)).toBeVisible();
  await talk.getByRole("link", { name: "trace" }).click();
  await ready(page, /^Request/);
  await page.getByRole("tab", { name: "Content" }).click();
  await page.getByRole("button", { name: "Show content" }).click();
  await expect(page.getByRole("region", { name: "Request", exact: true }).getByText(PROMPT)).toBeVisible();
  await expect(page.getByRole("region", { name: "Answer", exact: true }).getByText(SAYS.small)).toBeVisible();
  await expect(page.getByRole("button", { name: "Delete content" })).toHaveCount(0);

  await open(page, "/admin/requests", "Requests");
  const rows = page.getByRole("table", { name: "Requests" }).locator("tbody").getByRole("row");
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText("playground");
  await page.goto(`/admin/requests/${other.id}`);
  await expect(page.getByText("There is no request of that id")).toBeVisible();
  await open(page, "/admin/usage?group=key", "Usage and budgets");
  await expect(page.getByText(other.kid)).toHaveCount(0);
  const readings = (await stage.router.admin("GET", "audit?limit=100&q=content")).json.items;
  expect(readings.map((row) => [row.actor, row.action])).toEqual([[ANN, "read_content"]]);
});

test("an admin reads what somebody's key sent and deletes it; the audit log holds both", async ({ page }) => {
  const { id } = await requestOf(BOB, "team-research");
  await comesAs(page, "root@example.com");
  await expect(async () => {
    await page.goto(`/admin/requests/${id}`);
    await page.getByRole("tab", { name: "Content" }).click({ timeout: 1_000 });
  }).toPass();
  await page.getByRole("button", { name: "Show content" }).click();
  await expect(page.getByRole("region", { name: "Answer", exact: true }).getByText(SAYS.small)).toBeVisible();
  await page.getByRole("button", { name: "Delete content" }).click();
  await page.getByRole("dialog", { name: "Delete content" }).getByRole("button", { name: "Delete content" }).click();
  await expect(page.getByText("The content was deleted")).toBeVisible();
  await open(page, `/admin/audit?q=${id}`, "Audit log");
  for (const act of [/read.content/, /delete.content/]) await expect(page.getByRole("table").getByText(act).first()).toBeVisible();
});

test("a policy that is not theirs is refused in words, a screen that is not theirs says so", async ({ page }) => {
  await comesAs(page, ANN);
  await open(page, "/admin/inspect?policy=contractors&model=bolt%2Fquick", "Route inspector");
  await page.getByLabel("Prompt, or a JSON request body").fill("Hello");
  await page.getByRole("button", { name: /^Inspect/ }).click();
  await expect(page.getByText("Members try requests under the policies of their own keys").first()).toBeVisible();
  await page.goto("/admin/policies");
  await expect(page.getByText("Your role does not open this")).toBeVisible();
  await page.goto("/admin");
  await ready(page, "Requests");
});

test("a key that an admin made opens its policy: the playground asks its owner for it", async ({ page }) => {
  const { json } = await stage.router.admin("POST", "keys", { policy: "contractors", label: "from-root", principal: BOB });
  await comesAs(page, BOB);
  await open(page, "/admin/playground?policy=contractors&model=bolt%2Fquick", "Playground");
  await expect(page.getByLabel("Act as policy").getByRole("option")).toHaveText(["team-research", "contractors"]);
  await page.getByLabel("Your key of contractors").fill(json.key);
  await page.getByLabel("Message").fill("Hello");
  await page.getByRole("button", { name: /^Send/ }).click();
  await expect(page.getByRole("group", { name: "Conversation" }).getByText(SAYS.quick)).toBeVisible();
  expect(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))).not.toContain(json.key);
});
