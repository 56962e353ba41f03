// One build at a time in this folder: a second `npm start` waits for the first one's build instead of writing over it.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { inProject } from "./project.mjs";

const lockFile = inProject("build", ".lock");

/** Runs `work` while no other process of this project builds. */
export async function whileAloneInBuild(work, file = lockFile) {
  mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  while (!taken(file)) {
    if (!told) console.log("set-up  waiting for another build in this folder");
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Takes the lock, also from a process that died with it. */
function taken(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    const holder = Number(readHolder(file));
    if (holder && !isAlive(holder)) rmSync(file, { force: true });
    return false;
  }
}

function readHolder(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** True while a process runs; that of another user counts. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
