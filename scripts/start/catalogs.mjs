// Reads the bundled catalog and a user's own catalog file as plain JSON; the Worker is who validates them.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

import { inProject } from "../lib/project.mjs";
import { StepError } from "../lib/step.mjs";

export function bundledCatalogs() {
  const folder = inProject("catalog");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => readCatalog(path.join(folder, name)));
}

export function readCatalog(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new StepError(`${file} cannot be read as JSON: ${error.message}`, "give the path of a catalog file (format of GET /admin/api/export)");
  }
}
