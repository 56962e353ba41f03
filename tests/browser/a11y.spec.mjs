// Every screen with real data: no axe finding in either theme, nothing wider than the screen, on a desk and on a phone.
import AxeBuilder from "@axe-core/playwright";
import { chat } from "../worker/documents.mjs";
import { expect, expectNoOverflow, mint, open, screens, signIn, stageOf, test } from "./stage.mjs";
import { fusionProfile, startTeam, teamCatalog } from "./team.mjs";

const CHAT = "/v1/chat/completions";
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
let traces = [];

const stage = stageOf(async () => {
  const team = await startTeam();
  return { ...team, setting: { catalog: { ...teamCatalog(team), fusion_profiles: [fusionProfile({ enabled: true })] } } };
});

test.beforeAll(async () => {
  const key = await mint(stage.router, "team-research", "ada-laptop");
  const ask = async (model) => (await stage.router.call(CHAT, chat(model), { key, headers: { "x-session-id": "thread-1" } })).headers["x-request-id"];
  const fine = [await ask("acme/large"), await ask("clawrouter/support"), await ask("clawrouter/fusion")];
  stage.acme.script({ do: "error", fixture: "openai/engine_overloaded" });
  traces = [fine[2], await ask("clawrouter/support")];
  stage.acme.script(stage.rules);
});

for (const [name, use] of [["desk", { viewport: { width: 1440, height: 900 } }], ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }]]) {
  test.describe(`on a ${name}`, () => {
    test.use(use);
    const withTraces = [...screens.map(([where, heading]) => [where, heading, () => where]), ...["of a fusion", "of a fallback"].map((what, index) => [`the trace ${what}`, /^Request/, () => `/admin/requests/${traces[index]}`])];
    for (const [what, heading, where] of withTraces) {
      test(`${what} is accessible and fits`, async ({ page }) => {
        await signIn(page);
        await open(page, where(), heading);
        await expectNoOverflow(page);
        for (const theme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme: theme });
          const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
          expect(violations.map((item) => `${theme} ${item.id}: ${item.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(" | ")}`)).toEqual([]);
        }
      });
    }
  });
}
