// Runs other programs: to the end with their output shown, or captured, or as a group that can be ended whole.

import { spawn } from "node:child_process";
import path from "node:path";

import { root } from "./project.mjs";

/** Set for programs that run below wrangler, whose process group is ended as one. */
export const staysInGroup = "CLAWROUTER_STAYS_IN_GROUP";

/** Process groups that run now; a signal to this process ends them. */
const running = new Set();

/**
 * Runs a program and waits. Never throws for a failing program: look at `code`.
 *
 * `output` is "show" (default), "capture" or "both"; `timeoutMs` kills the program and what it started.
 * A program that could not be started has code 127.
 *
 * @returns {Promise<{code: number, stdout: string, stderr: string, timedOut: boolean}>}
 */
export function run(program, args = [], { cwd = root, env = process.env, output = "show", timeoutMs } = {}) {
  return new Promise((resolve) => {
    const pipe = output === "show" ? "inherit" : "pipe";
    const ownGroup = !process.env[staysInGroup];
    const child = spawn(program, args, { cwd, env, detached: ownGroup, stdio: ["ignore", pipe, pipe] });
    const stdout = [];
    const stderr = [];
    let timedOut = false;
    const kill = (signal) => (ownGroup && child.pid ? endGroup(child.pid, signal) : child.kill(signal));
    const timer = timeoutMs && setTimeout(() => ((timedOut = true), kill("SIGKILL")), timeoutMs);
    started(kill);
    const finish = (code) => {
      clearTimeout(timer);
      finished(kill);
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), timedOut });
    };
    child.stdout?.on("data", (bytes) => (stdout.push(bytes), output === "both" && process.stdout.write(bytes)));
    child.stderr?.on("data", (bytes) => (stderr.push(bytes), output === "both" && process.stderr.write(bytes)));
    child.on("error", (error) => (stderr.push(Buffer.from(String(error))), finish(127)));
    child.on("close", (code) => finish(code ?? 1));
  });
}

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"];

function started(kill) {
  if (running.size === 0) endingSignals.forEach((signal) => process.on(signal, endEverything));
  running.add(kill);
}

function finished(kill) {
  running.delete(kill);
  if (running.size === 0) endingSignals.forEach((signal) => process.off(signal, endEverything));
}

/** Ctrl-C, SIGTERM and a closed terminal end what runs, and then this process. */
function endEverything(signal) {
  for (const kill of running) kill("SIGTERM");
  process.exit(signal === "SIGINT" ? 130 : 143);
}

/** Sends a signal to a process group that this project started; a group that is gone is fine. */
export function endGroup(pid, signal = "SIGTERM") {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** The environment with folders put first on PATH. */
export function withPathFirst(folders, env = process.env) {
  return { ...env, PATH: [...folders, env.PATH ?? ""].join(path.delimiter) };
}

/** The environment in which `node` is this project's own. */
export function withProjectPrograms(env = process.env) {
  return withPathFirst([path.join(root, "node_modules", ".bin")], env);
}

/** The environment without this project's own programs on PATH: for npm, which replaces them. */
export function withoutProjectPrograms(env = process.env) {
  const own = (folder) => folder.startsWith(path.join(root, "node_modules"));
  return { ...env, PATH: (env.PATH ?? "").split(path.delimiter).filter((folder) => !own(folder)).join(path.delimiter) };
}
