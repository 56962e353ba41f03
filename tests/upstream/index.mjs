// What tests import: the server, the scenarios, the deterministic text and the error library.
export { startUpstream } from "./server.mjs";
export { PROFILES, scenario, scenarioNames } from "./scenarios.mjs";
export { answerText, token, tokens } from "./text.mjs";
export { fixture, fixtureNames } from "./fixtures.mjs";
