// Which model would this prompt get, and does it: the inspector decides without a call, the playground sends the same.
import { expect, open, ready, signIn, stageOf, test } from "../stage.mjs";
import { SAYS, fusionProfile, startTeam, teamCatalog } from "../team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam({ interval_ms: 20 });
  return { ...team, setting: { catalog: { ...teamCatalog(team), fusion_profiles: [fusionProfile({ enabled: true })] } } };
});

const PROMPT = "Summarise this changelog in three bullets for customers.";
const calls = () => stage.acme.calls.length + stage.bolt.calls.length;

test("the inspector calls nothing; sending for real uses the model it named, streamed, with a trace", async ({ page }) => {
  await signIn(page);
  await open(page, "/admin/inspect?model=clawrouter%2Fsupport", "Route inspector");
  await page.getByLabel("Prompt, or a JSON request body").fill(PROMPT);
  await page.getByRole("button", { name: /^Inspect/ }).click();
  const decision = page.getByRole("region", { name: "Decision" });
  await expect(decision.getByText(/acme\/small/).first()).toBeVisible();
  await expect(decision.getByText("dry run")).toBeVisible();
  expect(calls()).toBe(0);
  expect((await stage.router.admin("GET", "requests")).json.items).toEqual([]);

  await page.getByRole("button", { name: "Send for real" }).click();
  await ready(page, "Playground");
  await expect(page.getByLabel("Message")).toHaveValue(PROMPT);
  expect(page.url()).not.toContain("changelog");
  await page.getByRole("button", { name: /^Send/ }).click();
  const talk = page.getByRole("group", { name: "Conversation" });
  await expect(talk.getByText("Give each")).toBeVisible();
  await expect(talk.getByText(SAYS.small)).toBeVisible();
  await expect(talk.getByText("acme/small")).toBeVisible();
  expect(stage.acme.calls.map((call) => [call.model, call.body.stream])).toEqual([["small", true]]);
  await talk.getByRole("link", { name: "trace" }).click();
  await ready(page, /^Request/);
  await expect(page.getByText("clawrouter/support").first()).toBeVisible();
});

test("two models answer side by side, each billed by itself; a fusion has its price before anything is asked", async ({ page }) => {
  for (const upstream of stage.upstreams) upstream.reset();
  for (const upstream of stage.upstreams) upstream.script(stage.rules);
  await signIn(page);
  await open(page, "/admin/playground?model=clawrouter%2Ffusion", "Playground");
  await expect(page.getByText(/^3 calls, at most \$0\.\d+\.$/)).toBeVisible();
  expect(calls()).toBe(0);

  await open(page, "/admin/playground?model=acme%2Flarge&beside=bolt%2Fquick", "Playground");
  await page.getByLabel("Message").fill("How should retries work?");
  await page.getByRole("button", { name: /^Send/ }).click();
  const left = page.getByRole("group", { name: "Answer of acme/large" });
  const right = page.getByRole("group", { name: "Answer of bolt/quick" });
  await expect(left.getByText(SAYS.large)).toBeVisible();
  await expect(right.getByText(SAYS.quick)).toBeVisible();
  for (const lane of [left, right]) await expect(lane.getByText(/^(\$|< \$)/)).toBeVisible();
  expect([stage.acme.calls.length, stage.bolt.calls.length]).toEqual([1, 1]);

  await page.getByLabel("Message").fill("And how often?");
  await page.getByRole("button", { name: /^Send(?! again)/ }).click();
  await expect(right.getByText(SAYS.quick)).toHaveCount(2);
  expect(stage.bolt.calls[1].body.messages.map((message) => message.content)).toEqual(["How should retries work?", SAYS.quick, "And how often?"]);

  await right.getByRole("link", { name: "trace" }).last().click();
  await ready(page, /^Request/);
  await page.getByRole("link", { name: "Open in inspector" }).click();
  await ready(page, "Route inspector");
  await expect(page.getByLabel("Prompt, or a JSON request body")).toHaveValue(/And how often/);
  expect(page.url()).not.toContain("often");
});

test("an answer can be stopped midway: the upstream is closed and the receipt says what is billed", async ({ page }) => {
  stage.acme.script({ do: "answer", tokens: 400, interval_ms: 50 });
  stage.acme.calls.length = 0;
  await signIn(page);
  await open(page, "/admin/playground?model=acme%2Flarge", "Playground");
  await page.getByLabel("Message").fill("Count for a while.");
  await page.getByRole("button", { name: /^Send/ }).click();
  await expect(page.getByRole("group", { name: "Conversation" }).locator(".caret")).toBeVisible();
  await page.getByRole("button", { name: /^Stop/ }).click();
  await expect(page.getByText("stopped; what was produced is billed")).toBeVisible();
  await stage.acme.until((list) => list[0]?.closedByClientAt);
});
