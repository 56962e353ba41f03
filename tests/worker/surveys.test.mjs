// Questions about many rows, and about how things stand across policies and keys: figures, re-pricing, effect, overview, preview, listing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

const CHAT = "/v1/chat/completions";
const FUSION = "clawrouter/fusion";
const profile = {
  id: "default", enabled: true, advisers: [{ model: "p/one" }, { model: "q/two" }], synthesizer: { model: "p/wise" }, adviser_timeout_ms: 5000, deadline_ms: 20_000,
};

let upstream;
let router;
const keys = {};
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({
    catalog: catalogOf(providerAt("p", upstream), providerAt("q", upstream), {
      models: [modelOf("p", "one"), modelOf("q", "two"), modelOf("p", "wise", { price: { input: 4, output: 8 } }), { ...modelOf("q", "dark"), price: undefined }],
      routes: [{ id: "both", targets: [{ model: "p/one" }, { model: "q/two", order: 1 }] }],
      fusion_profiles: [profile],
      policies: [{ id: "team" }, { id: "busy" }, { id: "narrow", allow: { providers: ["q"] } }, { id: "poor", budgets: [{ window: "total", limit_usd: 0.000001 }] }],
    }),
  });
  for (const policy of ["team", "busy", "narrow", "poor"]) keys[policy] = (await router.admin("POST", "keys", { policy, label: policy })).json;
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});
beforeEach(() => upstream.reset());

/** The Worker's answer has the members of the golden file that the page and its mock are tried with. */
function golden(answer, name) {
  const file = JSON.parse(readFileSync(new URL(`../fixtures/admin/${name}.json`, import.meta.url), "utf8"));
  const members = (value) => {
    if (Array.isArray(value)) return value.length > 0 ? [members(value[0])] : [];
    return value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, members(value[key])])) : null;
  };
  const compare = (one, other, path) => {
    if (one === null || other === null) return;
    if (Array.isArray(one)) return one.length && other.length ? compare(one[0], other[0], `${path}/0`) : undefined;
    assert.deepEqual(Object.keys(one), Object.keys(other), `${name}.json${path}`);
    for (const key of Object.keys(one)) compare(one[key], other[key], `${path}/${key}`);
  };
  compare(members(answer), members(file), "");
}

const get = async (where) => {
  const answer = await router.admin("GET", where);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
};
const post = async (where, body = {}) => {
  const answer = await router.admin("POST", where, body);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
};

describe("figures of a filter", () => {
  test("count every row, not a page of them", async () => {
    for (let number = 0; number < 7; number++) await router.call(CHAT, chat("p/one"), { key: keys.team.key });
    await router.call(CHAT, chat("p/none"), { key: keys.team.key });
    const page = await get("requests?limit=2&policy=team");
    assert.equal(page.items.length, 2);
    const figures = await get("requests/figures?policy=team");
    assert.deepEqual([figures.requests, figures.errors, figures.looked_at, figures.complete], [8, 1, 8, true]);
    assert.ok(figures.ttft_p50_ms > 0 && figures.ttft_p50_ms <= figures.ttft_p95_ms, JSON.stringify(figures));
    assert.equal(figures.bars.reduce((sum, bar) => sum + bar.requests, 0), 8);
    assert.equal(figures.bars.reduce((sum, bar) => sum + bar.errors, 0), 1);
    golden(figures, "request-figures");
    const usage = await get("usage?group=policy");
    assert.equal(figures.cost_usd, usage.groups.find((group) => group.id === "team").cost_usd);
  });

  test("follow the filter, and so does the list", async () => {
    for (const [query, requests] of [
      ["policy=team&status=ok", 7], ["policy=team&strategy=refused", 1], ["policy=team&strategy=direct", 7], ["policy=team&cost_over_usd=1", 0],
      [`key=${keys.team.kid}&cost_over_usd=0.000000001`, 7], ["policy=team&duration_over_ms=600000", 0], ["policy=narrow", 0],
    ]) {
      assert.equal((await get(`requests/figures?${query}`)).requests, requests, query);
      assert.equal((await get(`requests?${query}`)).items.length, requests, query);
    }
    const wrong = await router.admin("GET", "requests/figures?cost_over_usd=cheap");
    assert.deepEqual([wrong.status, wrong.json.error.param], [400, "cost_over_usd"]);
  });
});

describe("a Ledger with many rows", () => {
  test("shows them in steps, each once, while others come in", async () => {
    const [calls, lanes] = [1_100, 20];
    const lane = async () => {
      for (let number = 0; number < calls / lanes; number++) assert.equal((await router.call(CHAT, chat("p/one"), { key: keys.busy.key })).status, 200);
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    const [figures] = await Promise.all([get("requests/figures?policy=busy"), lane()]);
    assert.ok(figures.requests >= calls && figures.requests <= calls + calls / lanes, JSON.stringify(figures));
    const settled = await get("requests/figures?policy=busy");
    assert.deepEqual([settled.requests, settled.looked_at, settled.complete], [calls + calls / lanes, calls + calls / lanes, true]);
  });
});

describe("a draft", () => {
  test("is priced with the tokens of the last days' fusion requests", async () => {
    const none = await post("fusion-profiles/default/reprice");
    assert.deepEqual([none.requests, none.before_usd, none.after_usd, none.complete], [0, 0, 0, true]);
    for (let number = 0; number < 2; number++) assert.equal((await router.call(CHAT, chat(FUSION), { key: keys.team.key })).status, 200);
    const same = await post("fusion-profiles/default/reprice", { draft: profile });
    assert.equal(same.requests, 2);
    assert.ok(same.before_usd > 0);
    assert.equal(same.after_usd, same.before_usd);
    const dearer = await post("fusion-profiles/default/reprice", { draft: { ...profile, advisers: [{ model: "p/wise" }, { model: "q/dark" }], judge: { model: "q/two", enabled: true } } });
    assert.ok(dearer.after_usd !== same.after_usd);
    golden(dearer, "fusion-repriced");
    assert.deepEqual(dearer.unpriced.map((call) => [call.slot, call.why, call.requests]), [["A2", "no_price", 2], ["J", "no_tokens", 2]]);
  });

  test("shows a key what its list would be", async () => {
    const off = { ...profile, id: "review", enabled: false };
    await router.admin("PUT", "fusion-profiles/review", off, { "if-none-match": "*" });
    const shown = await post("fusion-profiles/review/preview", { key: keys.team.kid });
    assert.deepEqual(shown.models.filter((row) => row.is_new).map((row) => row.id), ["clawrouter/fusion:review"]);
    golden(shown, "fusion-preview");
    const own = (await router.call("/v1/models", undefined, { key: keys.team.key })).json.data.map((row) => row.id);
    assert.deepEqual(shown.models.filter((row) => !row.is_new).map((row) => row.id), own);
    const hidden = await post("fusion-profiles/review/preview", { key: keys.narrow.kid });
    assert.ok(hidden.models.every((row) => !row.is_new), "its synthesizer is at a provider that the policy does not allow");
    const poor = await post("fusion-profiles/review/preview", { key: keys.poor.kid });
    assert.ok(poor.models.every((row) => !row.is_new), "it cannot pay the synthesizer");
    await router.admin("POST", `keys/${keys.poor.kid}/revoke`, {});
    const revoked = await router.admin("POST", "fusion-profiles/review/preview", { key: keys.poor.kid });
    assert.deepEqual([revoked.status, revoked.json.error.code], [403, "key_revoked"]);
    assert.equal((await router.admin("POST", "fusion-profiles/review/preview", { key: "nobody" })).status, 404);
  });

  test("that was enabled is soon listed at this edge location", async () => {
    await router.admin("PUT", "fusion-profiles/default/draft", { draft: { ...profile, temperature: 0.3 } });
    const { live } = await get("fusion-profiles/default/draft");
    await post("fusion-profiles/default/enable", { base_revision: live.revision });
    const listing = await get("fusion-profiles/default/listing");
    golden(listing, "fusion-listing");
    assert.deepEqual([listing.model, listing.current], [FUSION, listing.edge_revision >= listing.revision]);
    if (listing.current) assert.ok(listing.policies.includes("team") && !listing.policies.includes("narrow"), JSON.stringify(listing));
  });
});

test("a staged policy says what it would have refused", async () => {
  const effect = await post("policies/team/effect", { document: { id: "team", deny: { providers: ["p"] } } });
  assert.deepEqual(effect.models.map((row) => [row.model, row.requests, row.reason.code]), [["p/one", 7, "provider_not_allowed"], [FUSION, 2, "provider_not_allowed"]]);
  golden({ ...effect, models: [] }, "policy-effect");
  assert.deepEqual([effect.requests, effect.refused, effect.complete], [9, 9, true]);
  assert.equal((await post("policies/team/effect", { document: { id: "team" } })).refused, 0);
  const wrong = await router.admin("POST", "policies/team/effect", { document: { id: "team", colour: "red" } });
  assert.deepEqual([wrong.status, wrong.json.error.param], [422, "/colour"]);
});

describe("models across policies", () => {
  test("are counted, and say why not", async () => {
    const overview = await get("models/overview");
    golden(overview, "models-overview");
    const one = overview.models.find((row) => row.model === "p/one");
    assert.ok(one.listed < overview.policies && one.verified_at, JSON.stringify(one));
    assert.deepEqual(one.used_in.map((place) => `${place.kind} ${place.id} ${place.as}`), ["fusion default adviser", "fusion review adviser", "route both target"]);
    const q = overview.providers.find((row) => row.provider === "q");
    assert.deepEqual([q.models, q.priced], [2, 1]);
    const reach = await get("models/p%2Fone/policies");
    golden(reach, "model-policies");
    const { policies } = reach;
    assert.equal(policies.find((row) => row.policy === "narrow").reason.code, "provider_not_allowed");
    assert.equal(policies.find((row) => row.policy === "team").listed, true);
    assert.equal((await router.admin("GET", "models/p%2Fnone/policies")).status, 404);
  });

  test("a verification tells the answer, or the upstream's error as it wrote it", async () => {
    const fine = await post("models/p%2Fone/verify");
    golden(fine, "verified");
    assert.equal(fine.ok, true);
    assert.ok(fine.answer.length > 0 && fine.latency_ms >= 0 && fine.upstream === null, JSON.stringify(fine));
    upstream.script({ do: "error", status: 404, headers: { "x-request-id": "up-77" }, body: { error: { message: "The model `two` does not exist.", type: "invalid_request_error", code: "model_not_found" } } });
    const gone = await post("models/q%2Ftwo/verify");
    golden(gone, "verified-failed");
    assert.equal(gone.ok, false);
    assert.deepEqual(gone.upstream, { status: 404, code: "model_not_found", message: "The model `two` does not exist.", request_id: "up-77" });
  });
});
