// The library of real provider error shapes: tests/fixtures/upstream/<file>.json, addressed as "<file>/<name>".
// Knows nothing of the server that plays them.
import { readFileSync, readdirSync } from "node:fs";

const FOLDER = new URL("../fixtures/upstream/", import.meta.url);

const library = new Map();
for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".json")).sort()) {
  const entries = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
  for (const [name, fixture] of Object.entries(entries)) library.set(`${file.slice(0, -5)}/${name}`, fixture);
}

/** A copy of the named fixture. Throws with the known names when there is none. */
export function fixture(name) {
  const found = library.get(name);
  if (!found) throw new Error(`no fixture "${name}"; known: ${[...library.keys()].join(", ")}`);
  return structuredClone(found);
}

/** All names, sorted by file. */
export function fixtureNames() {
  return [...library.keys()];
}
