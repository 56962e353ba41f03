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
