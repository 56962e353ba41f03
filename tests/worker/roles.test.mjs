// Admin, operator, member under Cloudflare Access: who sees which keys, who makes them, who changes what.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { accessDouble } from "./access.mjs";
import { chat } from "./documents.mjs";
import { startRouter } from "./harness.mjs";
import { send } from "./http.mjs";

const { setting, assertion } = accessDouble({ admins: "root@example.com", operators: "ops@example.com" });

let router;
before(async () => {
  router = await startRouter({
    ...setting,
    catalog: { policies: [{ id: "for-members" }, { id: "for-admins" }], settings: { member_policies: ["for-*mbers"] } },
  });
});
after(async () => router?.stop());

const MUTATION = { "sec-fetch-site": "same-origin", "x-clawrouter-csrf": "1", "content-type": "application/json" };
/** One admin call as somebody: `as("ann@example.com", "GET", "keys")`. */
const as = (email, method, where, body, headers = {}) => send(`${router.url}/admin/api/${where}`, {
  method, body, headers: { "cf-access-jwt-assertion": assertion(email), ...(method === "GET" ? {} : MUTATION), ...headers },
});
const [ADMIN, OPERATOR, ANN, BOB] = ["root@example.com", "ops@example.com", "ann@example.com", "bob@example.com"];

async function minted(email, fields) {
  const answer = await as(email, "POST", "keys", fields);
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

describe("who may what", () => {
  const TABLE = [
    ["GET", "policies", undefined, [200, 200, 403]],
    ["GET", "audit", undefined, [200, 200, 403]],
    ["GET", "export", undefined, [200, 200, 403]],
    ["GET", "health/targets", undefined, [200, 200, 403]],
    ["GET", "sessions", undefined, [200, 200, 403]],
    ["GET", "metrics", undefined, [200, 200, 403]],
    ["GET", "keys", undefined, [200, 200, 200]],
    ["GET", "requests", undefined, [200, 200, 200]],
    ["GET", "usage", undefined, [200, 200, 200]],
    ["GET", "me", undefined, [200, 200, 200]],
    ["POST", "import", { policies: [] }, [200, 403, 403]],
    ["PUT", "policies/new", { id: "new" }, [201, 403, 403], { "if-none-match": "*" }],
    ["PUT", "pools/openai/credentials/a", { value: "sk-123456789" }, [409, 403, 403]],
    ["POST", "pools/openai/reset", {}, [200, 200, 403]],
    ["DELETE", "sessions/none", undefined, [204, 204, 403]],
    ["POST", "fusion-profiles/default/enable", {}, [200, 403, 403]],
    ["POST", "route/explain", chat("demo/fast"), [200, 200, 200]],
    ["POST", "route/explain", { ...chat("demo/fast"), policy: "for-admins" }, [200, 200, 403]],
    ["POST", "route/explain", { ...chat("demo/fast"), policy: "for-members" }, [200, 200, 200]],
    ["GET", "candidates", undefined, [200, 200, 200]],
    ["GET", "candidates?policy=for-admins", undefined, [200, 200, 403]],
    ["GET", "candidates?policy=nowhere", undefined, [400, 400, 403]],
    ["POST", "models/demo%2Ffast/verify", {}, [200, 200, 403]],
    ["GET", "requests/none/content", undefined, [503, 403, 503]],
    ["DELETE", "requests/none/content", undefined, [503, 403, 403]],
  ];
  for (const [method, where, body, expected, headers] of TABLE) {
    test(`${method} ${where}`, async () => {
      const got = [];
      for (const email of [ANN, OPERATOR, ADMIN]) got.unshift((await as(email, method, where, body, headers)).status);
      assert.deepEqual(got, expected);
    });
  }
});

describe("keys", () => {
  test("a member makes, sees, rotates and revokes their own and nobody else's", async () => {
    const own = await minted(ANN, { policy: "for-members", label: "ann" });
    assert.equal(own.principal, ANN);
    const other = await minted(BOB, { policy: "for-members", label: "bob" });
    const team = await minted(ADMIN, { policy: "for-admins", label: "team" });
    const kids = async (email) => (await as(email, "GET", "keys?limit=100")).json.items.map((row) => row.kid);
    assert.deepEqual(await kids(ANN), [own.kid]);
    for (const email of [ADMIN, OPERATOR]) {
      const all = await kids(email);
      assert.ok([own.kid, other.kid, team.kid].every((kid) => all.includes(kid)), email);
    }
    for (const kid of [other.kid, team.kid]) {
      assert.equal((await as(ANN, "POST", `keys/${kid}/revoke`, {})).status, 404);
      assert.equal((await as(ANN, "POST", `keys/${kid}/rotate`, { overlap_hours: 1 })).status, 404);
    }
    const rotated = await as(ANN, "POST", `keys/${own.kid}/rotate`, { overlap_hours: 0 });
    assert.equal(rotated.status, 201, rotated.text);
    assert.equal((await as(ANN, "POST", `keys/${rotated.json.kid}/revoke`, {})).status, 200);
  });

  for (const [name, email, fields, reason] of [
    ["a member under a policy for admins", ANN, { policy: "for-admins" }, "policy_not_for_members"], ["a member in another's name", ANN, { policy: "for-members", principal: BOB }, "own_keys_only"],
    ["an operator", OPERATOR, { policy: "for-members" }, undefined], ["an operator in their own name", OPERATOR, { policy: "for-members", principal: OPERATOR }, undefined],
  ]) {
    test(`not made by ${name}`, async () => {
      const answer = await as(email, "POST", "keys", fields);
      assert.deepEqual([answer.status, answer.json.error.code, answer.json.error.clawrouter.reason], [403, "role_required", reason]);
    });
  }

  test("an operator revokes anybody's and rotates nobody's", async () => {
    const { kid } = await minted(ANN, { policy: "for-members" });
    assert.equal((await as(OPERATOR, "POST", `keys/${kid}/rotate`, {})).status, 403);
    assert.equal((await as(OPERATOR, "POST", `keys/${kid}/revoke`, {})).status, 200);
  });
});

test("a member reads only what their own keys did", async () => {
  const own = await minted(ANN, { policy: "for-members" });
  const other = await minted(BOB, { policy: "for-members" });
  const ids = {};
  for (const [name, { key }] of Object.entries({ own, other })) ids[name] = (await router.call("/v1/chat/completions", chat("demo/fast"), { key })).headers["x-request-id"];
  await sleep(500);
  const rows = (await as(ANN, "GET", "requests?limit=100")).json.items;
  assert.ok(rows.length > 0 && rows.every((row) => row.kid === own.kid), JSON.stringify(rows.map((row) => row.kid)));
  assert.deepEqual([(await as(ANN, "GET", `requests/${ids.own}`)).status, (await as(ANN, "GET", `requests/${ids.other}`)).status], [200, 404]);
  const usage = (await as(ANN, "GET", "usage?group=key")).json;
  assert.deepEqual(usage.groups.map((group) => group.id), [own.kid]);
});

test("a member tries requests as their own keys would, also under a policy that an admin chose for them", async () => {
  const explained = async (policy) => (await as(BOB, "POST", "route/explain", { ...chat("demo/fast"), policy })).status;
  assert.equal(await explained("for-admins"), 403);
  const { kid } = await minted(ADMIN, { policy: "for-admins", principal: BOB });
  assert.equal(await explained("for-admins"), 200);
  assert.equal((await as(BOB, "GET", "candidates?policy=for-admins")).status, 200);
  assert.equal((await as(BOB, "POST", `keys/${kid}/revoke`, {})).status, 200);
  assert.equal(await explained("for-admins"), 403);
});

test("me tells a member where they may make keys", async () => {
  const me = (await as(ANN, "GET", "me")).json;
  assert.deepEqual([me.role, me.capabilities, me.member_policies], ["member", ["keys.mint", "content.read"], ["for-members"]]);
});

test("a forged or foreign assertion opens nothing and is audited", async () => {
  for (const fields of [{ iss: "https://other.cloudflareaccess.com" }, { aud: ["0".repeat(64)] }, { exp: 1 }]) {
    const answer = await send(`${router.url}/admin/api/me`, { headers: { "cf-access-jwt-assertion": assertion(ADMIN, fields) } });
    assert.equal(answer.status, 401, answer.text);
  }
  await sleep(500);
  const rows = (await as(ADMIN, "GET", "audit?limit=100&q=sign_in")).json.items;
  assert.ok(rows.filter((row) => row.result === "sign_in_required").length >= 3, JSON.stringify(rows));
});
