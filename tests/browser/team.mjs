// A small team's deployment as catalog documents: two providers, a route, three policies. Used where a journey needs real data.
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, modelOf, providerAt } from "../worker/documents.mjs";

/** Time enough for a scripted upstream on a busy machine. */
const PATIENT = { headers_ms: 5_000, first_token_ms: 5_000, first_token_reasoning_ms: 5_000, stall_ms: 5_000, total_ms: 30_000 };

/** What each model says, so that a reader of the page can tell them apart. */
export const SAYS = {
  "small": "Give each message a key, and let the store refuse the second write with it.",
  "large": "Retry with a growing pause and a limit, and write effects behind an idempotency key.",
  "wise": "Use an idempotency key per message, **retry with a growing pause**, and alert on the share of retried messages.",
  "quick": "Retry twice, then park the message for a person.",
};

/** Starts both upstreams; each model answers with its own sentence. */
export async function startTeam({ interval_ms = 2 } = {}) {
  const rules = { rules: Object.entries(SAYS).map(([model, text]) => ({ when: { model }, acts: { do: "answer", text, interval_ms } })) };
  const acme = await startUpstream({ script: rules });
  const bolt = await startUpstream({ script: rules });
  return { acme, bolt, upstreams: [acme, bolt], rules };
}

/** The documents around them. */
export function teamCatalog({ acme, bolt }) {
  return catalogOf(
    providerAt("acme", acme, { keys: [1], timeouts: PATIENT }), providerAt("bolt", bolt, { keys: [2, 3], timeouts: PATIENT }),
    {
      models: [
        modelOf("acme", "small", { family: "acme-s", price: { input: 0.4, output: 1.6, effective: "2026-01-01", source: "test" } }),
        modelOf("acme", "large", { family: "acme-l", price: { input: 2, output: 8, effective: "2026-01-01", source: "test" } }),
        modelOf("acme", "wise", { family: "acme-w", price: { input: 5, output: 20, effective: "2026-01-01", source: "test" } }),
        modelOf("bolt", "quick", { family: "bolt", price: { input: 0.1, output: 0.3, effective: "2026-01-01", source: "test" } }),
      ],
      routes: [{ id: "support", targets: [{ model: "acme/small", order: 0 }, { model: "bolt/quick", order: 1 }] }],
      policies: [
        { id: "team-research", allow: { providers: ["acme", "clawrouter"] }, budgets: [{ window: "month", limit_usd: 50, scope: "policy", hard: true }] },
        { id: "contractors", allow: { providers: ["bolt"] } },
      ],
    },
  );
}

/** A fusion profile over the team's models; `fields` replace its own. */
export function fusionProfile(fields = {}) {
  return { id: "default", enabled: false, advisers: [{ model: "acme/small" }, { model: "bolt/quick" }], synthesizer: { model: "acme/wise" }, ...fields };
}
