// One running router: wrangler with its workerd as a process group, from "start" over "ready" to "gone".

import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";

import { endGroup, staysInGroup, withProjectPrograms } from "../lib/child.mjs";
import { inProject, projectNode, quietWrangler, root, wranglerProgram } from "../lib/project.mjs";
import { StepError } from "../lib/step.mjs";
import { bundledCatalogs, readCatalog } from "./catalogs.mjs";
import { readDevVars, writeEnvFile } from "./env-file.mjs";
import { findLocalServers } from "./local-servers.mjs";
import { claimState, openState } from "./local-state.mjs";
import { handedOver } from "./secret-names.mjs";

/** How long a start may take once everything is built: seconds, but minutes on a machine that is busy with something else. */
const readyWithinMs = 180_000;
/** How long wrangler gets to end by itself. */
const endWithinMs = 5_000;

/**
 * Starts a router on loopback and waits until it serves (and has taken over `CLAWROUTER_CATALOG`).
 * Everything must be built already. Aborting `signal` ends the router at any time; `ended` says when all of it is gone.
 *
 * @returns {Promise<{url, devKey, adminToken, localServers, imported, ended: Promise<number>}>}
 */
export async function startRouter({ env = process.env, signal }) {
  const port = portOf(env.PORT);
  const state = path.resolve(root, env.CLAWROUTER_STATE || path.join(".wrangler", "state"));
  const url = `http://127.0.0.1:${port}`;
  const catalog = env.CLAWROUTER_CATALOG ? readCatalog(path.resolve(env.CLAWROUTER_CATALOG)) : null;
  const devVars = readDevVars(inProject(".dev.vars"));
  const local = await localEndpoint({ ...devVars, ...env }, port);
  await requireFreePort(port);

  const { devKey, adminToken } = openState(state, { ...devVars, ...env });
  const freeState = claimState(state, port);
  const envFile = path.join(state, "clawrouter-running.env");
  writeEnvFile(envFile, {
    ...devVars,
    ...handedOver(env, [...bundledCatalogs(), catalog]),
    ...local.variables,
    ENVIRONMENT: "local",
    DEV_KEY: devKey,
    ADMIN_TOKEN: adminToken,
  });

  const child = spawnWrangler({ port, state, envFile });
  const exited = new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
  const ended = exited.then((code) => {
    endGroup(child.pid, "SIGKILL");
    rmSync(envFile, { force: true });
    freeState();
    return code;
  });
  const stop = () => endRouter(child);
  signal?.addEventListener("abort", stop);
  try {
    await untilHealthy(url, child);
    const imported = catalog ? await importCatalog(url, adminToken, catalog) : null;
    return { url, devKey, adminToken, localServers: local.servers, imported, ended };
  } catch (error) {
    stop();
    await ended;
    throw error;
  }
}

function portOf(text) {
  const port = text === undefined || text === "" ? 8787 : Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new StepError(`PORT=${text} is not a port`, "use a number from 1 to 65535");
  }
  return port;
}

function requireFreePort(port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", () =>
      reject(new StepError(`port ${port} of 127.0.0.1 is in use`, `free it, or choose another: \`PORT=${port + 1} npm start\``)),
    );
    server.listen(port, "127.0.0.1", () => server.close(() => resolve()));
  });
}

/** `LOCAL_OPENAI_BASE_URL` as given, nothing for "off", else the first model server found on loopback. */
async function localEndpoint({ LOCAL_OPENAI_BASE_URL: given }, ownPort) {
  if (given === "off") return { servers: [], variables: { LOCAL_OPENAI_BASE_URL: "" } };
  if (given) return { servers: [], variables: {} };
  const servers = await findLocalServers({ ownPort });
  return { servers, variables: servers.length > 0 ? { LOCAL_OPENAI_BASE_URL: servers[0].baseUrl } : {} };
}

function spawnWrangler({ port, state, envFile }) {
  const args = ["dev", "--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--persist-to", state];
  args.push("--env-file", envFile, "--show-interactive-dev-session=false", "--log-level=warn");
  return spawn(projectNode, ["--import", inProject("scripts", "start", "end-with-parent.mjs"), wranglerProgram, ...args], {
    cwd: root,
    env: {
      ...withProjectPrograms(),
      ...quietWrangler,
      [staysInGroup]: "1",
      CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "true",
      // Two routers beside each other must not take over each other's name.
      WRANGLER_REGISTRY_PATH: path.join(state, "registry"),
    },
    // Its own group: Ctrl-C reaches this process only, which then ends the whole group in order.
    detached: true,
    stdio: ["pipe", "inherit", "inherit"],
  });
}

async function untilHealthy(url, child) {
  const deadline = Date.now() + readyWithinMs;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new StepError("wrangler ended before the Worker was ready", "read what it printed above");
    }
    if (await isHealthy(url)) return;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  throw new StepError(`${url}/healthz did not answer 200 within ${readyWithinMs / 1000} s`, "read what wrangler printed above");
}

async function isHealthy(url) {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** Merges a catalog by id through the admin API; the same file again changes nothing. */
async function importCatalog(url, adminToken, catalog) {
  const response = await fetch(`${url}/admin/api/import`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify(catalog),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  if (response.status !== 200) {
    const error = parsedOrNull(text)?.error;
    const where = error?.param ? ` at ${error.param}` : "";
    throw new StepError(
      `CLAWROUTER_CATALOG was refused with status ${response.status}${where}: ${error?.message ?? text.slice(0, 300)}`,
      "mend the file (its format is that of GET /admin/api/export), then start again",
    );
  }
  return parsedOrNull(text);
}

function parsedOrNull(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** wrangler ends its workerd by itself when asked; what is left after a while is killed with the whole group. */
function endRouter(child) {
  child.kill("SIGTERM");
  setTimeout(() => endGroup(child.pid, "SIGKILL"), endWithinMs).unref();
}
