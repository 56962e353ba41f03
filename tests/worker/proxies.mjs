// What stands between the router and its bindings: it tells a test of every call, and may refuse it. Each call is told to the test's
// own process before it goes on, so its order against the upstream's calls is the true one.
import path from "node:path";

const OBJECTS = { REGISTRY: "Registry", SESSION: "Session", LEDGER: "Ledger", HEALTH_HUB: "HealthHub" };

const teller = (tell) => async (request) => new Response(null, { status: tell(await request.json()) === false ? 503 : 200 });

const TOLD = `async function told(env, binding, what) {
  return (await env.TELL.fetch("http://test/", { method: "POST", body: JSON.stringify({ binding, what }) })).ok;
}`;

/** For `startRouter({around})`: every call to a Durable Object is passed to `tell({binding, what})`, `what` being the object's path. */
export function countedObjects(tell) {
  return (router) => {
    const durableObjects = {};
    for (const [binding, className] of Object.entries(OBJECTS)) {
      router.durableObjects[`OWN_${binding}`] = { className, useSQLite: true };
      router.durableObjects[binding] = { className: `Between${className}`, scriptName: "between", useSQLite: true };
      durableObjects[`REAL_${binding}`] = { className, scriptName: "clawrouter", useSQLite: true };
      durableObjects[`OWN_${binding}`] = { className: `Between${className}`, useSQLite: true };
    }
    const classes = Object.entries(OBJECTS).map(([binding, className]) => `export class Between${className} extends DurableObject {
      async fetch(request) {
        await told(this.env, "${binding}", new URL(request.url).pathname);
        const real = this.env.REAL_${binding};
        return real.get(real.idFromName(this.ctx.id.name)).fetch(request);
      }
    }`);
    const contents = `import { DurableObject } from "cloudflare:workers";\n${TOLD}\n${classes.join("\n")}\nexport default { fetch() { return new Response("between"); } };`;
    return [{
      name: "between", compatibilityDate: router.compatibilityDate, modules: [{ type: "ESModule", path: "between.mjs", contents }],
      durableObjects, serviceBindings: { TELL: teller(tell) },
    }];
  };
}

/**
 * For `startRouter({around})`: KV is passed through (`{binding: "KV", what: "put key/…"}`; a false answer makes the call fail), and the
 * optional bindings RATE_LIMITER (`what` is the counted name; a false answer refuses) and ANALYTICS (`what` is the point) exist.
 */
export function toldBindings(tell) {
  return (router) => {
    router.serviceBindings = { ...router.serviceBindings, TELL: teller(tell) };
    const contents = `import Real, * as real from "./index.js";
      ${TOLD}
      class Ratelimit { constructor(env) { this.env = env; } async limit({ key }) { return { success: await told(this.env, "RATE_LIMITER", key) }; } }
      function wrapped(context, env) {
        const through = (name) => async (key, ...rest) => {
          if (!(await told(env, "KV", name + " " + key))) throw new Error("KV is out of order");
          return env.CATALOG[name](key, ...rest);
        };
        const CATALOG = Object.fromEntries(["get", "getWithMetadata", "put", "list", "delete"].map((name) => [name, through(name)]));
        const ANALYTICS = { writeDataPoint: (point) => context.waitUntil(told(env, "ANALYTICS", point)) };
        return { ...env, CATALOG, ANALYTICS, RATE_LIMITER: new Ratelimit(env) };
      }
      const around = (Class) => class extends Class { constructor(context, env) { super(context, wrapped(context, env)); } };
      ${Object.values(OBJECTS).map((name) => `export const ${name} = around(real.${name});`).join("\n")}
      export default around(Real);`;
    router.modules = [{ type: "ESModule", path: path.join(router.modulesRoot, "told.mjs"), contents }, ...router.modules];
    return [];
  };
}
