// One router and one upstream for real client libraries; the upstream's model names say how it answers.
import { answerText, startUpstream } from "../upstream/index.mjs";
import { catalogOf, modelOf, providerAt } from "../worker/documents.mjs";
import { startRouter } from "../worker/harness.mjs";

/** What the models answer; shared with the Python tests through the environment. */
export const EXPECTED = {
  text: answerText(40),
  tool_arguments: '{"city":"Zürich","days":3}',
  after_tool: "It will be sunny in Zürich.",
  structured: '{"city":"Bern","population":146348,"tags":["capital","old town"]}',
};

const rules = [
  { when: { model: "chat" }, acts: { do: "answer", tokens: 40, interval_ms: 2 } },
  { when: { model: "tools", last_role: "tool" }, acts: { do: "answer", text: EXPECTED.after_tool } },
  { when: { model: "tools" }, acts: { do: "answer", tool_calls: [{ id: "call_weather_1", name: "weather", arguments: EXPECTED.tool_arguments }], tool_piece: 4 } },
  { when: { model: "structured" }, acts: { do: "answer", text: EXPECTED.structured } },
  { when: { model: "cut" }, acts: { do: "answer", tokens: 40, interval_ms: 2, cut: { at: 10, how: "error" } } },
  { when: { model: "refused" }, acts: { do: "error", fixture: "openai/invalid_messages" } },
  { when: { model: "limited" }, acts: { do: "error", fixture: "openai/rate_limit_retry_after_30" } },
];

/** Starts both: `{router, upstream, stop}`. */
export async function startSetting() {
  const upstream = await startUpstream({ script: { rules } });
  const models = ["chat", "tools", "structured", "cut", "refused", "limited"].map((name) => modelOf("p", name));
  const router = await startRouter({ catalog: catalogOf(providerAt("p", upstream), { models: [...models, modelOf("p", "embed", { capabilities: ["embeddings"] })] }) });
  return {
    router, upstream,
    stop: async () => {
      await router.stop();
      await upstream.close();
    },
  };
}
