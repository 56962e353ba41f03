/** Allow and deny lists as text, and what they let through. The Worker decides; this previews. Pure. */
import type { Policy } from '../../api/schema/documents.ts'
import type { ModelCandidate } from '../../api/schema/operate.ts'

/** `*` matches any run of characters, as the Worker's patterns do. */
export function matchesPattern(pattern: string, id: string): boolean {
  const source = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${source.join('.*')}$`).test(id)
}

/** Absent in `allow` is everything; absent in `deny` is nothing. */
function listed(patterns: readonly string[] | null | undefined, id: string, absent: boolean): boolean {
  return patterns == null ? absent : patterns.some(pattern => matchesPattern(pattern, id))
}

export function allows(policy: Policy, model: Pick<ModelCandidate, 'model' | 'provider' | 'virtual'>): boolean {
  if (model.virtual) {
    const name = model.model.replace(/^clawrouter\//, '')
    return listed(policy.allow?.virtual, name, true) && !listed(policy.deny?.virtual, name, false)
  }
  return (
    listed(policy.allow?.providers, model.provider, true) &&
    listed(policy.allow?.models, model.model, true) &&
    !listed(policy.deny?.providers, model.provider, false) &&
    !listed(policy.deny?.models, model.model, false)
  )
}

/** One pattern per line or comma; blanks dropped, duplicates once. */
export function parseList(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))]
}

export interface Effect {
  gained: string[]
  lost: string[]
  allowed: number
}

export function effect(before: Policy, after: Policy, candidates: readonly ModelCandidate[]): Effect {
  const gained: string[] = []
  const lost: string[] = []
  let allowed = 0
  for (const item of candidates) {
    const was = allows(before, item)
    const is = allows(after, item)
    if (is) allowed++
    if (is && !was) gained.push(item.model)
    if (was && !is) lost.push(item.model)
  }
  return { gained, lost, allowed }
}

/** A link from readiness stages its own change: the allow list grows, a denial goes. */
export function stage(policy: Policy, staged: { provider: string; model: string }): Policy {
  const add = (list: string[] | null | undefined, value: string) =>
    !value || list == null || list.some(pattern => matchesPattern(pattern, value)) ? list : [...list, value]
  const drop = (list: string[] | null | undefined, value: string) =>
    value && list ? list.filter(pattern => pattern !== value) : list
  if (!staged.provider && !staged.model) return policy
  return {
    ...policy,
    allow: {
      ...policy.allow,
      providers: add(policy.allow?.providers, staged.provider),
      models: add(policy.allow?.models, staged.model),
    },
    deny: {
      ...policy.deny,
      providers: drop(policy.deny?.providers, staged.provider),
      models: drop(policy.deny?.models, staged.model),
    },
  }
}
