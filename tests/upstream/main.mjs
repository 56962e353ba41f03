#!/usr/bin/env node
// The upstream by hand: node tests/upstream/main.mjs --port 9000 [--scenario name] [--role primary|fallback] [--profile fast|full] [--script file.json]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { describeActs } from "./acts.mjs";
import { fixtureNames } from "./fixtures.mjs";
import { scenario, scenarioNames } from "./scenarios.mjs";
import { startUpstream } from "./server.mjs";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "9000" }, host: { type: "string", default: "127.0.0.1" }, models: { type: "string", default: "upstream-model" },
    scenario: { type: "string" }, role: { type: "string", default: "primary" }, profile: { type: "string", default: "full" }, script: { type: "string" },
    quiet: { type: "boolean", default: false }, help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log("node tests/upstream/main.mjs --port 9000 [--scenario NAME --role primary|fallback --profile fast|full | --script FILE] [--models a,b] [--quiet]\n");
  console.log(`scenarios: ${scenarioNames().join(", ")}\n`);
  for (const { name, options } of describeActs()) {
    console.log(`act ${name}`);
    for (const [option, meaning] of Object.entries(options)) console.log(`    ${option.padEnd(16)} ${meaning}`);
  }
  console.log(`\nfixtures: ${fixtureNames().join(", ")}`);
  process.exit(0);
}

const script = values.scenario ? scenario(values.scenario, values.profile)[values.role] : values.script ? JSON.parse(readFileSync(values.script, "utf8")) : undefined;
const upstream = await startUpstream({ port: Number(values.port), host: values.host, models: values.models.split(","), script, keepCalls: !values.quiet });
console.log(`upstream ${upstream.url}  (script: POST /_script, calls: GET /_calls, forget: POST /_reset)`);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => upstream.close().then(() => process.exit(0)));
