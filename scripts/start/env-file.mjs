// The file through which wrangler gets a local run's secrets: never as program arguments, which other users can list.

import { readFileSync, writeFileSync } from "node:fs";
import { parseEnv } from "node:util";

import { StepError } from "../lib/step.mjs";

/**
 * Writes values so that wrangler (dotenv, then dotenv-expand) reads exactly them back.
 * Only the owner can read the file.
 */
export function writeEnvFile(file, values) {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${quoted(name, value)}\n`);
  writeFileSync(file, lines.join(""), { mode: 0o600 });
}

function quoted(name, value) {
  // Single quotes and backticks keep what is between them; double quotes would turn \n into a line break.
  const quote = ["'", "`"].find((candidate) => !value.includes(candidate));
  if (!quote) {
    throw new StepError(`${name} holds both ' and \`, which an env file cannot carry`, `remove one of them from ${name}`);
  }
  return quote + value.replaceAll("$", "\\$") + quote;
}

/** Values of a user's own `.dev.vars`, which wrangler no longer reads once it is given another file. */
export function readDevVars(file) {
  try {
    return parseEnv(readFileSync(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return {};
    throw new StepError(`${file} cannot be read: ${error.message}`, "mend the file or remove it");
  }
}
