// `npm start`: sets up what is missing, builds what changed, runs the Worker on loopback and stays until Ctrl-C.
//
// Environment: PORT (8787), CLAWROUTER_STATE, CLAWROUTER_DEV_KEY, ADMIN_TOKEN, CLAWROUTER_CATALOG, DRY_RUN,
// LOCAL_OPENAI_BASE_URL ("off": do not look for a model server), and every secret that the catalog names.

import { buildAll } from "./build.mjs";
import { main } from "./lib/step.mjs";
import { startRouter } from "./start/router.mjs";

await main(async () => {
  await buildAll();
  const signal = stopSignal();
  const router = await startRouter({ signal });
  console.log(greeting(router));
  const code = await router.ended;
  process.exitCode = signal.aborted ? 0 : code;
});

function greeting({ url, devKey, adminToken, localServers, imported }) {
  const request = JSON.stringify({ model: "demo/fast", messages: [{ role: "user", content: "Hello" }] });
  const lines = [`ready ${url}`, `key ${devKey}`, `admin ${url}/admin  token ${adminToken}`];
  localServers.forEach(({ name, baseUrl, models }, index) =>
    lines.push(
      index === 0
        ? `local ${name} at ${baseUrl}: ${models.map((id) => `local/${id}`).slice(0, 5).join(", ") || "no model loaded"}`
        : `also  ${name} at ${baseUrl}; to use it instead: LOCAL_OPENAI_BASE_URL=${baseUrl}`,
    ),
  );
  if (imported) lines.push(`catalog revision ${imported.catalog_revision}, ${imported.changed?.length ?? 0} documents changed`);
  lines.push("try", `  curl ${url}/v1/chat/completions -H 'authorization: Bearer ${devKey}' -H 'content-type: application/json' -d '${request}'`);
  lines.push("stop  Ctrl-C");
  return lines.join("\n");
}

/** Aborted by Ctrl-C, by a signal, or when the npm that started us is gone. */
function stopSignal() {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => controller.abort());
  if (process.env.npm_lifecycle_event) {
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && controller.abort(), 1_000).unref();
  }
  return controller.signal;
}
