/** Models as choices: executable ones by provider, the rest last with the reason. */
import type { ModelCandidate } from '../../api/schema/operate.ts'
import { duration, price } from '../../lib/format.ts'
import type { Option } from '../../ui/combobox.tsx'

export function modelOptions(candidates: readonly ModelCandidate[]): Option[] {
  return candidates
    .filter(item => !item.virtual && (item.capabilities?.includes('chat') ?? true))
    .map(item => {
      const facts = [
        item.context_window && `${Math.round(item.context_window / 1000)} k context`,
        item.p50_ms && `p50 ${duration(item.p50_ms)}`,
        item.verified_at ? 'verified' : undefined,
      ].filter(Boolean)
      return {
        value: item.model,
        text: item.model,
        group: item.provider,
        side: item.price
          ? item.price.input === 0 && item.price.output === 0
            ? 'free'
            : `${price(item.price.input)} / ${price(item.price.output)}`
          : 'unpriced',
        note: item.executable ? facts.join(' · ') : (item.reason?.text ?? 'Cannot be executed.'),
        disabled: !item.executable,
      }
    })
}

/**
 * The model that a first request names: what decides for itself when this deployment has it, else a fallback route or a
 * model that can be executed, the proven ones first and the demo last.
 */
export function startModel(candidates: readonly ModelCandidate[]): string | undefined {
  const auto = 'clawrouter/auto'
  const usable = candidates.filter(item => item.executable && (item.capabilities?.includes('chat') ?? true))
  const rank = (item: ModelCandidate) =>
    item.model === auto ? 0 : item.provider === 'demo' || item.model.includes('demo') ? 3 : item.verified_at ? 1 : 2
  const single = usable.filter(item => !item.model.startsWith('clawrouter/fusion'))
  return [...(single.length ? single : usable)].sort((a, b) => rank(a) - rank(b))[0]?.model
}

/** The name by which callers ask for a fusion profile. */
export function callerName(profile: string): string {
  return profile === 'default' ? 'clawrouter/fusion' : `clawrouter/fusion:${profile}`
}
