// An upstream says 429 once, then answers: the list and the trace show both attempts, the money is counted once.
import { chat } from "../../worker/documents.mjs";
import { expect, open, ready, signIn, stageOf, test } from "../stage.mjs";
import { startTeam, teamCatalog } from "../team.mjs";

const stage = stageOf(async () => {
  const team = await startTeam();
  return { ...team, setting: { catalog: teamCatalog(team) } };
});

test("two attempts in the list and in the trace, one cost", async ({ page }) => {
  stage.acme.script([
    { do: "error", status: 429, headers: { "content-type": "application/json", "retry-after": "1" }, body: { error: { message: "Rate limit reached", type: "requests", code: "rate_limit_exceeded" } } },
    { do: "answer", text: "Done.", usage_values: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 } },
  ]);
  const answer = await stage.router.call("/v1/chat/completions", chat("acme/large"));
  expect(answer.status, answer.text).toBe(200);
  expect(stage.acme.calls.length).toBe(2);

  await signIn(page);
  await open(page, "/admin/requests", "Requests");
  const row = page.getByRole("table", { name: "Requests" }).getByRole("row").filter({ hasText: "acme/large" });
  await expect(row).toHaveCount(1);
  await expect(row.getByRole("img", { name: "primary failed (rate limit), primary ok" })).toBeVisible();
  // 1,000 tokens at $2 and 100 at $8 a million.
  await expect(row.getByRole("cell", { name: "$0.0028" })).toBeVisible();

  const figures = page.getByLabel("Of all requests in this filter");
  await expect(figures).toContainText("$0.0028");
  await expect(figures).toContainText("0 %");

  await row.getByRole("link").first().click();
  await ready(page, /^Request/);
  const timeline = page.getByRole("group", { name: "Timeline" });
  await expect(timeline.getByRole("button", { name: /Attempt 1/ })).toContainText("429 rate limit");
  await expect(timeline.getByRole("button", { name: /Attempt 2/ })).toContainText("$0.0028");
  const attempts = page.getByRole("table", { name: "Attempts" });
  await expect(attempts.getByRole("row")).toHaveCount(3);
  await expect(attempts.getByRole("row").nth(1)).toContainText("$0.00");
  await expect(attempts.getByRole("row").nth(2)).toContainText("$0.0028");
  await expect(page.getByRole("definition").filter({ hasText: "$0.0028" })).toBeVisible();

  await open(page, "/admin/usage?group=model", "Usage and budgets");
  const usage = page.getByRole("table", { name: "Usage by model" });
  await expect(usage.getByRole("row").filter({ hasText: "acme/large" })).toContainText("$0.0028");
  await expect(usage.getByRole("row").last()).toContainText("$0.0028");
});
