// Runs `npm start` as a person would and reads what it prints.

import { spawn } from "node:child_process";
import { createServer } from "node:net";

import { run } from "../../scripts/lib/child.mjs";
import { root } from "../../scripts/lib/project.mjs";

const readyWithinMs = 240_000;

/**
 * Starts a router with these variables (and no secret of this machine's environment).
 * Resolves when it says that it is ready, or has ended: `{exitCode}` is null while it runs.
 */
export async function npmStart(variables) {
  const { PATH, HOME, CLAWROUTER_BUILD } = process.env;
  const child = spawn("npm", ["start", "--silent"], {
    cwd: root,
    env: { PATH, HOME, CLAWROUTER_BUILD, LOCAL_OPENAI_BASE_URL: "off", ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (output += bytes));
  const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));
  const find = (pattern) => pattern.exec(output)?.[1] ?? null;

  const deadline = Date.now() + readyWithinMs;
  while (!/^stop {2}/m.test(output) && child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    exitCode: child.exitCode,
    output: () => output,
    url: find(/^ready (http\S+)$/m),
    key: find(/^key (\S+)$/m),
    admin: find(/^admin (http\S+) {2}token \S+$/m),
    token: find(/^admin \S+ {2}token (\S+)$/m),
    curl: find(/^ +(curl .*)$/m),
    /** Sends a signal to npm and resolves with how it ended. */
    stop: async (signal = "SIGTERM") => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return ended;
    },
  };
}

/** A port that nothing listens on now. */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Command lines of living processes that contain a text. */
export async function commandLinesWith(text) {
  const { stdout } = await run("ps", ["-eo", "stat=,args="], { output: "capture" });
  return stdout.split("\n").filter((line) => line.includes(text) && !line.startsWith("Z"));
}

/** Resolves when no process mentions a text any more; resolves with what is left after a while. */
export async function leftOver(text, withinMs = 8_000) {
  const deadline = Date.now() + withinMs;
  let lines = await commandLinesWith(text);
  while (lines.length > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    lines = await commandLinesWith(text);
  }
  return lines;
}
