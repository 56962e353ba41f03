// Turn fusion on and know who gets it: see what blocks, fix it, test, review, enable; then off again. By mouse and by touch.
import { chat } from "../../worker/documents.mjs";
import { expect, expectNoOverflow, listed, mint, open, ready, signIn, stageOf, test } from "../stage.mjs";
import { SAYS, fusionProfile, startTeam, teamCatalog } from "../team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam({ interval_ms: 15 });
  return { ...team, setting: { catalog: { ...teamCatalog(team), fusion_profiles: [fusionProfile()] } } };
});

const MODEL = "clawrouter/fusion";

/** The profile is off and team-research may not use bolt again, whatever the journey before did. */
async function startOver() {
  await stage.router.importCatalog({ ...teamCatalog(stage), fusion_profiles: [fusionProfile()] });
  await stage.router.admin("DELETE", "fusion-profiles/default/draft");
  for (const upstream of stage.upstreams) upstream.reset();
  for (const upstream of stage.upstreams) upstream.script(stage.rules);
}

async function journey(page, { press }) {
  const { router } = stage;
  const allowed = await mint(router, "team-research", "ada-laptop");
  const forbidden = await mint(router, "contractors", "ci");
  await signIn(page);
  await open(page, "/admin/fusion?policy=team-research", /^Fusion profile/);

  const readiness = page.getByRole("region", { name: "Live readiness" });
  await expect(readiness.getByText("Policy team-research does not allow provider bolt.")).toBeVisible();
  await press(readiness.getByRole("link", { name: "Allow bolt in team-research" }));
  await ready(page, "Policies");
  await expect(page.getByLabel("Allow providers")).toHaveValue(/\bbolt\b/);
  await press(page.getByRole("button", { name: "Save policy" }));
  await expect(page.getByText(/Policy team-research saved, revision \d+/)).toBeVisible();

  await open(page, "/admin/fusion?policy=team-research", /^Fusion profile/);
  await expect(page.getByRole("button", { name: /Step 2.*2 of 3 policies/ })).toBeVisible();
  await expect(readiness.getByText("does not allow provider bolt")).toHaveCount(0);
  const who = page.getByRole("region", { name: `Who will see ${MODEL}` });
  await expect(who.getByRole("row", { name: /team-research/ })).toContainText("Will be listed");
  await expect(who.getByRole("row", { name: /contractors/ })).toContainText("Hidden");

  await press(page.getByRole("button", { name: "Test prompt", exact: true }));
  const drawer = page.getByRole("dialog", { name: "Test prompt" });
  await press(drawer.getByRole("button", { name: "Retries" }));
  await expect(drawer.getByText(/3 calls, at most \$/)).toBeVisible();
  await press(drawer.getByRole("button", { name: /^Run(?! synth)/ }));
  await expect(drawer.getByText("alert on the share of retried messages")).toBeVisible();
  await expect(drawer.getByText("Calls", { exact: true }).locator("..")).toContainText("3");
  await press(drawer.getByRole("tab", { name: /Advisers \(2\)/ }));
  await expect(drawer.getByText(SAYS.small)).toBeVisible();
  await expect(drawer.getByText(SAYS.quick)).toBeVisible();
  await press(drawer.getByRole("button", { name: "Close" }));
  await expect(page.getByRole("button", { name: /Step 3.*Passed/ })).toBeVisible();
  expect(await listed(router, allowed)).not.toContain(MODEL);

  await press(page.getByRole("button", { name: "Review and enable" }));
  const review = page.getByRole("dialog", { name: `Enable ${MODEL}` });
  await expect(review.getByText("Gain it:")).toContainText("team-research");
  await expect(review.getByText(/^Last 7 days: (no fusion traffic|\d+ requests? cost)/)).toBeVisible();
  for (const point of await review.getByRole("group", { name: "Open points" }).getByRole("checkbox").all()) await point.check();
  await press(review.getByRole("button", { name: /^Enable revision/ }));
  await expect(page.getByText(new RegExp(`${MODEL} is live, revision`))).toBeVisible();
  await expect(page.getByRole("heading", { level: 1, name: /Live: revision/ })).toBeVisible();
  await expect(page.getByText(/^Listed for .*team-research.* at this edge location\.$/)).toBeVisible();
  expect(await listed(router, allowed)).toContain(MODEL);
  await press(page.getByRole("button", { name: "Preview as key…" }));
  const preview = page.getByRole("dialog", { name: "What a key is shown" });
  await preview.getByLabel("Key").selectOption({ label: "ci, contractors" });
  await expect(preview.getByText(/would list \d+ models?, without/)).toBeVisible();
  await preview.getByLabel("Key").selectOption({ label: "ada-laptop, team-research" });
  await expect(preview.getByText(/would list \d+ models, with clawrouter\/fusion/)).toBeVisible();
  await press(preview.getByRole("button", { name: "Close" }));
  expect(await listed(router, forbidden)).not.toContain(MODEL);
  const answer = await router.call("/v1/chat/completions", chat(MODEL), { key: allowed });
  expect([answer.status, answer.json.choices[0].message.content]).toEqual([200, SAYS.wise]);

  await press(page.getByRole("button", { name: "More actions" }));
  await press(page.getByRole("menuitem", { name: `Turn off ${MODEL}` }));
  await expect(page.getByText(new RegExp(`${MODEL} is off, revision`))).toBeVisible();
  await expect(page.getByRole("heading", { level: 1, name: /Off/ })).toBeVisible();
  expect(await listed(router, allowed)).not.toContain(MODEL);
}

test.beforeEach(startOver);

test("fusion is drafted, fixed, tested, enabled for who may have it, and turned off", async ({ page }) => {
  await journey(page, { press: (target) => target.click() });
});

test("a judge is added to the draft; the test shows its notes, what was injected, and an adviser that failed", async ({ page }) => {
  const notes = { consensus: ["Use an idempotency key."], contradictions: [], partial_coverage: [], unique_insights: [{ model: "B", insight: "Park it for a person." }], blind_spots: ["Nobody names a limit."], best: "A" };
  stage.acme.script({ rules: [{ when: { model: "large" }, acts: { do: "answer", text: JSON.stringify(notes) } }, ...stage.rules.rules] });
  await signIn(page);
  await open(page, "/admin/fusion?policy=default", /^Fusion profile/);
  await page.getByRole("switch", { name: "Judge" }).check();
  await page.getByRole("combobox", { name: "Judge" }).fill("acme/large");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: /Step 1.*unpublished change/ })).toBeVisible();
  await page.getByRole("button", { name: "Add fallback" }).click();
  await page.getByRole("combobox", { name: "Fallback 1" }).fill("acme/large");
  await page.keyboard.press("Enter");
  const stored = () => stage.router.admin("GET", "fusion-profiles/default/draft").then(({ json }) => json.draft.synthesizer);
  await expect.poll(stored).toEqual({ model: "acme/wise", fallbacks: ["acme/large"] });

  await page.getByRole("button", { name: "Test prompt", exact: true }).click();
  const drawer = page.getByRole("dialog", { name: "Test prompt" });
  await drawer.getByRole("button", { name: "Retries" }).click();
  await drawer.getByRole("button", { name: /^Run(?! synth)/ }).click();
  await drawer.getByRole("tab", { name: "Judge" }).click();
  for (const text of ["Use an idempotency key.", "Park it for a person.", "Nobody names a limit."]) await expect(drawer.getByText(text)).toBeVisible();
  await drawer.getByRole("tab", { name: "Injected" }).click();
  await expect(drawer.getByRole("region", { name: "The message that the synthesizer received" })).toContainText(SAYS.quick);

  stage.bolt.script({ do: "error", fixture: "openai/server_error" });
  await drawer.getByRole("button", { name: /^Run(?! synth)/ }).click();
  await expect(drawer.getByText("1 adviser failed")).toBeVisible();
  await expect(drawer.getByText(/× .*server.error/)).toBeVisible();
  await drawer.getByRole("link", { name: "Open the trace" }).click();
  await ready(page, /^Request/);
  await expect(page.getByText("200, degraded")).toBeVisible();
  await expect(page.getByRole("group", { name: "Timeline" }).getByRole("button")).toHaveCount(4);

  // Its own test the page remembers: drafts, notes, the message with its fences. After a reload they are gone, and it says so.
  await expect(page.getByRole("region", { name: "Text of answer a" })).toContainText(SAYS.small);
  await expect(page.getByRole("article").filter({ hasText: "Left out of the synthesis." })).toHaveCount(1);
  await page.getByRole("tab", { name: "Synthesizer" }).click();
  await expect(page.getByText(`Draft A: ${SAYS.small.length} characters, whole`)).toBeVisible();
  await expect(page.getByRole("region", { name: "The message that the synthesizer received" })).toContainText(/===== begin draft A [0-9a-f]{8} =====/);
  await page.getByRole("tab", { name: "Budget" }).click();
  await expect(page.getByRole("row", { name: /^Synthesizer/ })).toContainText("$");
  await page.reload();
  await ready(page, /^Request/);
  await page.getByRole("tab", { name: "Synthesizer" }).click();
  await expect(page.getByText("Content was not kept (policy default keeps metadata only)")).toBeVisible();
  await page.getByRole("link", { name: "Run again with trace" }).click();
  await expect(drawer.getByLabel("Policy to act as")).toHaveValue("default");

  // The plain answer beside the fused one, asked afterwards under a key of the same policy.
  stage.bolt.reset();
  stage.bolt.script(stage.rules);
  await drawer.getByRole("button", { name: "Retries" }).click();
  await drawer.getByRole("button", { name: /^Run(?! synth)/ }).click();
  const before = stage.acme.calls.length;
  await drawer.getByRole("button", { name: "Run synthesizer alone" }).click();
  await expect(drawer.getByRole("region", { name: "Text of synthesizer alone" })).toContainText("alert on the share of retried messages");
  await expect(drawer.getByRole("article").filter({ hasText: "Synthesizer alone" })).toContainText("$");
  expect(stage.acme.calls.slice(-1).map((call) => [call.model, call.body.messages.length])).toEqual([["wise", 1]]);
  expect(stage.acme.calls.length).toBeGreaterThan(before);
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  test("the same by touch", async ({ page }) => {
    await journey(page, {
      press: async (target) => {
        await expectNoOverflow(page);
        await target.tap();
      },
    });
  });
});
