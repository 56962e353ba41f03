// Connect our own GPU box: the page says what is wrong with it, lists its models, and callers can use them.
import { startUpstream } from "../../upstream/index.mjs";
import { chat } from "../../worker/documents.mjs";
import { expect, listed, mint, open, signIn, stageOf, test } from "../stage.mjs";

const stage = stageOf(async () => {
  const box = await startUpstream({ models: ["qwen3:8b", "org/llama-4"] });
  return { box, upstreams: [box], setting: { vars: { SEAL_KEY: Buffer.alloc(32, 7).toString("base64") } } };
});

test("an open server is flagged, its models are discovered, saved and listed for callers", async ({ page }) => {
  await signIn(page);
  await open(page, "/admin/models", "Models and providers");
  await page.getByRole("button", { name: "Connect local endpoint" }).click();
  const wizard = page.getByRole("dialog", { name: "Connect local endpoint" });
  await wizard.getByLabel("Provider name").fill("gpu-box");
  await wizard.getByLabel("Address").fill("http://169.254.169.254");
  await wizard.getByRole("button", { name: "Check endpoint" }).click();
  const checks = wizard.getByRole("list", { name: "Checks" });
  await expect(checks.getByRole("listitem").filter({ hasText: "Address" })).toContainText("failed");
  await expect(wizard.getByRole("button", { name: "Save provider" })).toBeDisabled();

  await wizard.getByLabel("Address").fill(stage.box.url);
  await wizard.getByLabel("Token (optional)").fill("sk-box-token");
  await wizard.getByRole("button", { name: "Check endpoint" }).click();
  await expect(checks.getByRole("listitem").filter({ hasText: "Refuses without a credential" })).toContainText("anyone who reaches it can use it");
  await wizard.getByLabel("Token (optional)").fill("");
  await wizard.getByRole("button", { name: "Check endpoint" }).click();
  await expect(wizard.getByText("This server is open.")).toBeVisible();
  await expect(checks.getByRole("listitem").filter({ hasText: "Lists its models" })).toContainText("passed");
  await expect(wizard.getByText("gpu-box/qwen3:8b")).toBeVisible();
  await expect(wizard.getByText("gpu-box/org/llama-4")).toBeVisible();
  await wizard.getByRole("button", { name: "Save provider" }).click();
  await expect(page.getByText("Provider gpu-box is connected.")).toBeVisible();

  const models = page.getByRole("table", { name: "Models" });
  await expect(models.getByRole("row").filter({ hasText: "gpu-box/qwen3:8b" })).toContainText("listed by the server itself");
  const key = await mint(stage.router, "default", "ada-laptop");
  const ids = await listed(stage.router, key);
  for (const id of ["gpu-box/qwen3:8b", "gpu-box/org/llama-4"]) expect(ids).toContain(id);
  const answer = await stage.router.call("/v1/chat/completions", chat("gpu-box/qwen3:8b"), { key });
  expect(answer.status, answer.text).toBe(200);
});

test("a protected server: a wrong token is explained, the right one opens it, and the page never shows it again", async ({ page }) => {
  const TOKEN = "sk-box-right-token";
  stage.box.script({ rules: [{ when: { credential: TOKEN }, acts: { do: "answer" } }, { acts: { do: "error", status: 401 } }] });
  await signIn(page);
  await open(page, "/admin/models?wizard=1", "Models and providers");
  const wizard = page.getByRole("dialog", { name: "Connect local endpoint" });
  await wizard.getByLabel("Provider name").fill("locked-box");
  await wizard.getByLabel("Address").fill(stage.box.url);
  await wizard.getByLabel("Token (optional)").fill("sk-box-wrong-token");
  await wizard.getByRole("button", { name: "Check endpoint" }).click();
  const checks = wizard.getByRole("list", { name: "Checks" });
  const row = (name) => checks.getByRole("listitem").filter({ hasText: name });
  await expect(row("Refuses without a credential")).toContainText("passed");
  await expect(row("Lists its models")).toContainText("failed");
  await expect(row("Lists its models")).toContainText("the server refuses the credential (status 401); check it");
  await expect(wizard.getByRole("button", { name: "Save provider" })).toBeDisabled();
  await wizard.getByLabel("Token (optional)").fill(TOKEN);
  await wizard.getByRole("button", { name: "Check endpoint" }).click();
  await expect(row("Lists its models")).toContainText("passed");
  await wizard.getByRole("button", { name: "Save provider" }).click();
  await expect(page.getByText("Provider locked-box is connected.")).toBeVisible();
  expect(await page.content()).not.toContain(TOKEN);

  const key = await mint(stage.router, "default", "ada-laptop");
  const answer = await stage.router.call("/v1/chat/completions", chat("locked-box/qwen3:8b"), { key });
  expect(answer.status, answer.text).toBe(200);
  expect(stage.box.calls.at(-1).credential).toBe(TOKEN);
});
