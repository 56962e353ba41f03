// Which act answers a call: the first rule whose `when` fits, and its acts in order (the last one repeats).
// Knows nothing of HTTP.
import { checkAct } from "./acts.mjs";

const CONDITIONS = {
  model: (call, wanted) => call.model === wanted,
  credential: (call, wanted) => call.credential === wanted,
  path: (call, wanted) => call.path === wanted,
  method: (call, wanted) => call.method === wanted,
  stream: (call, wanted) => (call.body?.stream === true) === wanted,
  prefill: (call, wanted) => (call.body?.messages?.at?.(-1)?.role === "assistant") === wanted,
  last_role: (call, wanted) => call.body?.messages?.at?.(-1)?.role === wanted,
  header: (call, wanted) => Object.entries(wanted).every(([name, value]) => call.headers[name] === value),
};

/** Rules ready to answer: `{rules: [{when?, acts}]}`, a list of rules, a list of acts, or one act. Throws on anything unknown. */
export function compileRules(script) {
  return ruleList(script).map((rule) => {
    const acts = Array.isArray(rule.acts) ? rule.acts : [rule.acts];
    if (acts.length === 0) throw new Error("a rule needs at least one act");
    for (const key of Object.keys(rule.when ?? {})) {
      if (!CONDITIONS[key]) throw new Error(`unknown condition "${key}"; known: ${Object.keys(CONDITIONS).join(", ")}`);
    }
    acts.forEach(checkAct);
    return { when: rule.when ?? {}, acts, next: 0, firstCallAt: null };
  });
}

function ruleList(script) {
  if (script?.rules) return script.rules;
  const list = Array.isArray(script) ? script : [script];
  return list.every((entry) => entry?.do) ? [{ acts: list }] : list;
}

/** Picks the act for a call and advances the rule. `{do: "answer"}` when no rule fits. */
export function chooseAct(rules, call, now) {
  const rule = rules.find(({ when }) => Object.entries(when).every(([key, wanted]) => CONDITIONS[key](call, wanted)));
  if (!rule) return { do: "answer" };
  rule.firstCallAt ??= now;
  while (rule.next < rule.acts.length) {
    const act = rule.acts[rule.next];
    const isLast = rule.next === rule.acts.length - 1;
    if (act.do === "outage") {
      if (now - rule.firstCallAt < act.for_ms) return act.during;
      rule.next += 1;
      continue;
    }
    if (!isLast) rule.next += 1;
    return act;
  }
  return { do: "answer" };
}
