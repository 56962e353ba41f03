// Where things lie in this project, and the versions that are pinned outside package.json.

import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Path below the project's root. */
export const inProject = (...parts) => path.join(root, ...parts);

/** Tools that are built once and kept out of git; each folder carries its version in its name. */
export const toolsFolder = inProject(".tools");

export const workerBuildVersion = "0.8.7";

/** The wasm-bindgen program must be of exactly the version of the library in Cargo.lock. */
export function wasmBindgenVersion(cargoLock = readFileSync(inProject("Cargo.lock"), "utf8")) {
  const found = /^name = "wasm-bindgen"\nversion = "([^"]+)"/m.exec(cargoLock);
  if (!found) throw new Error("Cargo.lock names no wasm-bindgen; run `cargo generate-lockfile`");
  return found[1];
}

/** Node of the npm package `node`: wrangler, vitest and Playwright need a newer one than a machine may have. */
export const projectNode = inProject("node_modules", "node", "bin", "node");

export const wranglerProgram = inProject("node_modules", "wrangler", "bin", "wrangler.js");

/** wrangler neither reports home nor looks anything up on the network. */
export const quietWrangler = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};
