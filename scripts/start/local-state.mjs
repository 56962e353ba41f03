// What a local run keeps between starts: the caller key and the admin token, beside the KV and Durable Object state.

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { isAlive } from "../lib/lock.mjs";
import { StepError } from "../lib/step.mjs";

const keyFormat = /^clawrouter-(live|test)-[A-Za-z0-9_]{4,}-[A-Za-z0-9_]{24,}$/;

/**
 * Opens the state folder: `CLAWROUTER_DEV_KEY` and `ADMIN_TOKEN` win, else what was minted before, else new ones.
 * Values given by the environment are not stored.
 */
export function openState(folder, env) {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, "clawrouter-local.json");
  const kept = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const minted = { dev_key: kept.dev_key ?? mintKey(), admin_token: kept.admin_token ?? mintText(32) };
  writeFileSync(file, `${JSON.stringify(minted, null, 2)}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);

  const devKey = env.CLAWROUTER_DEV_KEY || minted.dev_key;
  if (!keyFormat.test(devKey)) {
    throw new StepError(
      "CLAWROUTER_DEV_KEY is not a clawrouter key",
      "use clawrouter-(live|test)-<kid of at least 4>-<secret of at least 24> from A-Z a-z 0-9 _, or unset it to have one minted",
    );
  }
  return { devKey, adminToken: env.ADMIN_TOKEN || minted.admin_token };
}

/** A state folder serves one router at a time: two would write the same databases. Returns the function that frees it. */
export function claimState(folder, port) {
  const file = path.join(folder, "clawrouter-running.json");
  if (existsSync(file)) {
    const other = JSON.parse(readFileSync(file, "utf8"));
    if (other.pid !== process.pid && isAlive(other.pid)) {
      throw new StepError(
        `another run (process ${other.pid}, port ${other.port}) uses the state in ${folder}`,
        "stop it, or give this one its own: `PORT=8788 CLAWROUTER_STATE=.wrangler/second npm start`",
      );
    }
  }
  writeFileSync(file, JSON.stringify({ pid: process.pid, port }));
  return () => rmSync(file, { force: true });
}

function mintKey() {
  return `clawrouter-test-${mintText(8)}-${mintText(32)}`;
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Random letters and digits without bias: bytes beyond the last whole multiple of 62 are thrown away. */
function mintText(length) {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += letters[byte % letters.length];
    }
  }
  return text;
}
