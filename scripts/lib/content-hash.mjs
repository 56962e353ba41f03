// "Has anything changed since the last build?" by content, not by time: a checkout or a touch rebuilds nothing.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

const neverSource = new Set(["node_modules", "dist", "test-results", "playwright-report"]);

/** Hash over names and contents of files and folders (missing ones count as missing), and over `extra` strings. */
export function contentHash(paths, extra = []) {
  const hash = createHash("sha256");
  for (const text of extra) hash.update(`extra\0${text}\0`);
  for (const start of [...paths].sort()) {
    for (const file of filesBelow(start)) {
      const bytes = readFileSync(file);
      hash.update(`${path.relative(path.dirname(start), file)}\0${bytes.length}\0`).update(bytes);
    }
  }
  return hash.digest("hex");
}

function filesBelow(start) {
  if (!existsSync(start)) return [];
  if (!statSync(start).isDirectory()) return [start];
  return readdirSync(start, { withFileTypes: true })
    .filter((entry) => !neverSource.has(entry.name) && !entry.name.startsWith("."))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => filesBelow(path.join(start, entry.name)));
}

export function stampMatches(stampFile, hash) {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8").trim() === hash;
}

export function writeStamp(stampFile, hash) {
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, `${hash}\n`);
}
