// The 16 public gateway crash scenarios end to end on workerd, streamed and whole.
// CLAWROUTER_TEST_PROFILE=full plays them with the published times (minutes); the default is the fast profile.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { scenario, scenarioNames } from "../upstream/index.mjs";
import { startRouter } from "./harness.mjs";
import { checkAnswer, closeStages, setStage } from "./stage.mjs";

const PROFILE = process.env.CLAWROUTER_TEST_PROFILE ?? "fast";

let router;
before(async () => { router = await startRouter(); });
after(async () => {
  await closeStages();
  await router?.stop();
});

const WINDOWS = { context_length_exceeded: [8192, 128_000] };

async function stageFor(name, stream) {
  const played = scenario(name, PROFILE, stream);
  const { headers_ms, first_token_ms, stall_ms, total_ms } = played.times;
  const [window, fallbackWindow] = WINDOWS[name] ?? [128_000, 128_000];
  const stage = await setStage(router, {
    primary: played.primary, fallback: played.fallback, model: { context_window: window },
    fallbackModel: { context_window: fallbackWindow, capabilities: ["chat", "tools", "json_schema", "prefill"] },
    timeouts: { headers_ms, first_token_ms, first_token_reasoning_ms: first_token_ms, stall_ms, total_ms },
  });
  return { played, stage };
}

for (const stream of [true, false]) {
  describe(`${stream ? "streamed" : "whole"} (${PROFILE} profile)`, () => {
    for (const [index, name] of scenarioNames().entries()) {
      if (name === "outage_and_return") continue;
      test(`${index + 1} ${name}`, { timeout: 180_000 }, async () => {
        const { played, stage } = await stageFor(name, stream);
        const { expect } = played;
        try {
          const answer = await stage.ask({ stream, body: expect.usage && stream ? { stream_options: { include_usage: true } } : {} });
          checkAnswer(stage, answer, { status: expect.status, code: expect.error_code, content: expect.text, servedBy: expect.served_by, primary: expect.primary, fallback: expect.fallback, minMs: expect.min_ms, maxMs: expect.max_ms });
          if (answer.status === 200) {
            assert.equal(answer.finish, "stop");
            if (stream) assert.equal(answer.done, true, "[DONE] is there");
            assert.equal(answer.inBandError, null);
          }
          if (expect.primary_closed) await stage.primary.until((calls) => calls[0].closedByClientAt, 2000);
          if (expect.usage) checkReported(answer, expect.usage, stream);
        } finally {
          await stage.close();
        }
      });
    }

    test("15 outage_and_return", { timeout: 240_000 }, async () => {
      const { played, stage } = await stageFor("outage_and_return", stream);
      try {
        const startedAt = Date.now();
        const limit = played.times.outage_ms + played.times.return_within_ms;
        let backAfter = null;
        while (backAfter === null && Date.now() - startedAt < limit) {
          const answer = await stage.ask({ stream });
          checkAnswer(stage, answer, { content: played.expect.text });
          if (answer.servedBy === "primary") backAfter = Date.now() - startedAt;
          await sleep(100);
        }
        assert.ok(backAfter !== null, `the primary was not used again within ${limit} ms`);
        assert.ok(backAfter >= played.times.outage_ms);
      } finally {
        await stage.close();
      }
    });
  });
}

function checkReported(answer, usage, stream) {
  const bodies = stream ? answer.events.map((event) => event.json).filter(Boolean) : [answer.json];
  for (const body of bodies) assert.equal(body.model, "fallback-model");
  const reported = bodies.map((body) => body.usage).filter(Boolean);
  assert.equal(reported.length, 1);
  for (const [name, value] of Object.entries(usage)) assert.equal(reported[0][name], value, name);
}
