// When set-up steps and builds have something to do, and what a local run keeps.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { contentHash, stampMatches, writeStamp } from "../../scripts/lib/content-hash.mjs";
import { whileAloneInBuild } from "../../scripts/lib/lock.mjs";
import { wasmBindgenVersion } from "../../scripts/lib/project.mjs";
import { installedMatchesLock } from "../../scripts/setup/npm-packages.mjs";
import { findLocalServers } from "../../scripts/start/local-servers.mjs";
import { claimState, openState } from "../../scripts/start/local-state.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "clawrouter-set-up-"));
after(() => rmSync(folder, { recursive: true }));

const lock = { packages: { "": {}, "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "2.0.0", optional: true } } };
for (const [what, packages, expected] of [
  ["everything is there", { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "2.0.0" } }, true],
  ["an optional package of another platform is absent", { "node_modules/a": { version: "1.0.0" } }, true],
  ["a package is absent", { "node_modules/b": { version: "2.0.0" } }, false],
  ["a package has another version", { "node_modules/a": { version: "1.0.1" } }, false],
]) {
  test(`npm packages are ${expected ? "current" : "stale"} when ${what}`, () => assert.equal(installedMatchesLock(lock, { packages }), expected));
}

test("the wasm-bindgen program follows Cargo.lock", () => {
  const cargoLock = '[[package]]\nname = "wasm-bindgen"\nversion = "0.2.130"\n\n[[package]]\nname = "wasm-bindgen-futures"\nversion = "0.4.80"\n';
  assert.equal(wasmBindgenVersion(cargoLock), "0.2.130");
  assert.throws(() => wasmBindgenVersion('[[package]]\nname = "serde"\nversion = "1.0.0"\n'), /cargo generate-lockfile/);
});

test("a build is repeated for content, not for time", () => {
  const source = path.join(folder, "src");
  const file = path.join(source, "deep", "a.rs");
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, "one");
  const first = contentHash([source], ["1.0"]);
  const stamp = path.join(folder, "stamps", "worker");
  assert.equal(stampMatches(stamp, first), false);
  writeStamp(stamp, first);
  assert.equal(stampMatches(stamp, first), true);

  utimesSync(file, 1, 1);
  assert.equal(contentHash([source], ["1.0"]), first, "touched");
  assert.notEqual(contentHash([source], ["1.1"]), first, "another tool version");
  writeFileSync(file, "two");
  assert.notEqual(contentHash([source], ["1.0"]), first, "another content");
  writeFileSync(file, "one");
  writeFileSync(path.join(source, "deep", "b.rs"), "");
  assert.notEqual(contentHash([source], ["1.0"]), first, "another file");
});

test("keys are minted once, kept for the owner only, and the environment wins without being kept", () => {
  const state = path.join(folder, "state");
  const first = openState(state, {});
  assert.match(first.devKey, /^clawrouter-test-[A-Za-z0-9_]{4,}-[A-Za-z0-9_]{24,}$/);
  assert.ok(first.adminToken.length >= 24);
  assert.deepEqual(openState(state, {}), first);
  const file = path.join(state, "clawrouter-local.json");
  assert.equal(statSync(file).mode & 0o777, 0o600);

  const given = { CLAWROUTER_DEV_KEY: "clawrouter-live-mine-abcdefghijklmnopqrstuvwx", ADMIN_TOKEN: "given-token" };
  assert.deepEqual(openState(state, given), { devKey: given.CLAWROUTER_DEV_KEY, adminToken: "given-token" });
  assert.doesNotMatch(readFileSync(file, "utf8"), /given-token|live-mine/);
  assert.deepEqual(openState(state, {}), first);
  assert.throws(() => openState(state, { CLAWROUTER_DEV_KEY: "sk-short" }), /CLAWROUTER_DEV_KEY/);
});

test("one state folder serves one router at a time", () => {
  const state = path.join(folder, "claimed");
  mkdirSync(state);
  const file = path.join(state, "clawrouter-running.json");
  writeFileSync(file, JSON.stringify({ pid: process.ppid, port: 8787 }));
  assert.throws(() => claimState(state, 8788), /port 8787/);
  writeFileSync(file, JSON.stringify({ pid: 2 ** 22 + 1, port: 8787 }));
  const free = claimState(state, 8788);
  assert.equal(JSON.parse(readFileSync(file, "utf8")).port, 8788);
  free();
  assert.throws(() => readFileSync(file), /ENOENT/);
});

test("builds in one folder run one after the other, and a dead builder does not block", async () => {
  const file = path.join(folder, "build", ".lock");
  mkdirSync(path.dirname(file));
  writeFileSync(file, String(2 ** 22 + 1));
  const order = [];
  const build = (name) => whileAloneInBuild(async () => {
    order.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    order.push(`${name} ends`);
  }, file);
  await Promise.all([build("a"), build("b")]);
  assert.deepEqual(order.map((text) => text.split(" ")[1]), ["begins", "ends", "begins", "ends"]);
  await assert.rejects(whileAloneInBuild(() => Promise.reject(new Error("broken")), file), /broken/);
  await whileAloneInBuild(() => order.push("after a failure"), file);
  assert.equal(order.at(-1), "after a failure");
});

for (const [what, answer, found] of [
  ["a list of models", (response) => response.end('{"object":"list","data":[{"id":"qwen3:8b"}]}'), ["qwen3:8b"]],
  ["an empty list", (response) => response.end('{"data":[]}'), []],
  ["a clawrouter", (response) => response.end('{"data":[{"id":"demo/fast"},{"id":"clawrouter/auto"}]}'), null],
  ["HTML", (response) => response.end("<html>"), null],
  ["another JSON", (response) => response.end('{"data":[1]}'), null],
  ["401", (response) => response.writeHead(401).end('{"data":[]}'), null],
  ["a redirect", (response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(), null],
  ["silence", () => {}, null],
]) {
  test(`a local server that answers with ${what} is ${found ? "" : "not "}offered`, async () => {
    const server = createServer((_, response) => answer(response));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address();
    const servers = await findLocalServers({ ports: [{ port, name: "Test" }], timeoutMs: 300 });
    assert.deepEqual(servers.map(({ models }) => models), found ? [found] : []);
    assert.deepEqual(await findLocalServers({ ports: [{ port, name: "Test" }], ownPort: port }), []);
    server.closeAllConnections();
    server.close();
  });
}
