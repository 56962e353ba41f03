// The npm lock files: complete for every platform (else `npm ci` refuses them), and naming no registry.
// An npm mirror that lacks other platforms' binaries drops their entries on `npm install`: put them back by hand.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { inProject } from "../../scripts/lib/project.mjs";

for (const folder of ["", "admin-ui"]) {
  const file = inProject(folder, "package-lock.json");
  if (!existsSync(file)) continue;
  const { packages } = JSON.parse(readFileSync(file, "utf8"));

  test(`${folder || "the project"}: no entry names a registry`, () => {
    assert.deepEqual(Object.entries(packages).filter(([, entry]) => entry.resolved).map(([place]) => place), []);
  });

  test(`${folder || "the project"}: every dependency has an entry`, () => {
    const absent = [];
    for (const [place, entry] of Object.entries(packages)) {
      for (const name of Object.keys({ ...entry.dependencies, ...entry.devDependencies, ...entry.optionalDependencies })) {
        if (!placesSeenFrom(place, name).some((candidate) => packages[candidate])) absent.push(`${place} needs ${name}`);
      }
    }
    assert.deepEqual(absent, []);
  });
}

/** Where Node looks for a package from a place in the tree, nearest first. */
function placesSeenFrom(place, name) {
  const places = [];
  for (let from = place; from !== ""; from = from.slice(0, Math.max(0, from.lastIndexOf("/node_modules/")))) {
    places.push(`${from}/node_modules/${name}`);
  }
  return [...places, `node_modules/${name}`];
}
