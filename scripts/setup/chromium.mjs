// A Chromium for browser tests: CHROMIUM_PATH, else one that is installed, else Debian's package.

import { existsSync } from "node:fs";

import { StepError } from "../lib/step.mjs";
import { installDebianPackages } from "./debian-packages.mjs";

const usualPlaces = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** Returns the path of a browser. */
export async function prepareChromium() {
  const chosen = process.env.CHROMIUM_PATH;
  if (chosen && !existsSync(chosen)) {
    throw new StepError(`CHROMIUM_PATH=${chosen} does not exist`, "give the path of a Chromium or Chrome program, or unset it");
  }
  const found = chosen ?? usualPlaces.find((place) => existsSync(place));
  if (found) return found;

  const advice = "install Chromium or Chrome and set CHROMIUM_PATH to its program, then run again";
  if (!existsSync("/usr/bin/apt-get")) throw new StepError("no Chromium was found", advice);
  await installDebianPackages(["chromium"], "Chromium for browser tests", "about 40 s, 400 MB on disk", advice);
  return usualPlaces[0];
}
