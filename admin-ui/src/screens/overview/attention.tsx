/** At most eight things that need a person, each with cause, since when and the way to fix it. */
import type { JSX } from 'preact'
import { listDocuments } from '../../api/documents.ts'
import { readReadiness } from '../../api/fusion.ts'
import { listKeys } from '../../api/keys.ts'
import type { Resource } from '../../api/resource.ts'
import { useResource } from '../../api/resource.ts'
import type { Readiness } from '../../api/schema/fusion.ts'
import type { Key } from '../../api/schema/keys.ts'
import type { Health } from '../../api/schema/operate.ts'
import { useNow } from '../../lib/clock.ts'
import { duration, money, percent } from '../../lib/format.ts'
import { segment, spaced } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { Chip, type Tone } from '../../ui/chip.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Empty, Skeleton } from '../../ui/states.tsx'
import { callerName } from '../shared/model-options.ts'

interface Item {
  id: string
  tone: Tone
  state: string
  text: string
  href: string
  link: string
}

/** Readiness of every profile that is on. */
async function readLive(signal: AbortSignal): Promise<Readiness[]> {
  const { items } = await listDocuments('fusion-profiles', {}, signal)
  const live = items.filter(item => item.document.enabled)
  return Promise.all(live.map(item => readReadiness(item.document.id, { draft: item.document }, signal)))
}

const maxItems = 8
const nearShare = 0.8

/** A profile that is on, but that nobody can run. */
export function hiddenFusion(readiness: Readiness): Item | null {
  if (readiness.policies.length === 0 || readiness.policies.some(policy => policy.listed)) return null
  const { profile } = readiness
  const cause = readiness.policies.find(policy => policy.reason)?.reason
  return {
    id: `fusion ${profile}`,
    tone: 'bad',
    state: 'hidden',
    text: `${callerName(profile)} is on, but hidden for everyone. ${cause?.text ?? ''}`.trim(),
    href: adminUrl(`/fusion/${segment(profile)}`),
    link: 'Open fusion',
  }
}

/** Everything that is wrong, worst first. Pure. */
export function attention(
  health: Health | undefined,
  keys: readonly Key[],
  fusion: readonly Readiness[],
  now: number,
): Item[] {
  const out: Item[] = fusion.map(hiddenFusion).filter(item => item !== null)
  for (const pool of health?.pools ?? []) {
    for (const item of pool.credentials) {
      if (item.state === 'ready') continue
      const until = item.until ? `, ${duration(Math.max(0, Date.parse(item.until) - now))} left` : ''
      out.push({
        id: `${pool.pool}/${item.label}`,
        tone: item.state === 'dead' ? 'bad' : 'warn',
        state: item.state,
        text: `Credential ${item.label} of pool ${pool.pool}: ${spaced(item.class ?? 'no reason given')}${until}.`,
        href: adminUrl('/pools', { pool: pool.pool }),
        link: item.state === 'dead' ? 'Replace or reset' : 'Show pool',
      })
    }
  }
  for (const target of health?.targets ?? []) {
    if (target.state === 'ready') continue
    out.push({
      id: target.target,
      tone: target.state === 'dead' ? 'bad' : 'warn',
      state: target.state,
      text: `${target.target}: ${spaced(target.class ?? 'failing')}.`,
      href: adminUrl('/pools'),
      link: 'Show target',
    })
  }
  const seen = new Set<string>()
  for (const key of keys) {
    if (key.revoked_at) continue
    for (const budget of key.budgets ?? []) {
      const name = budget.scope === 'key' ? `${budget.budget} of ${key.label ?? key.kid}` : budget.budget
      const share = budget.limit_usd > 0 ? (budget.spent_usd + budget.reserved_usd) / budget.limit_usd : 1
      if (share < nearShare || seen.has(name)) continue
      seen.add(name)
      out.push({
        id: name,
        tone: share >= 1 ? 'bad' : 'warn',
        state: percent(share),
        text: `Budget ${name}: ${money(budget.remaining_usd)} of ${money(budget.limit_usd)} left.`,
        href: adminUrl(`/policies/${segment(key.policy)}`),
        link: 'Open policy',
      })
    }
  }
  const order: Record<string, number> = { bad: 0, warn: 1 }
  return out.sort((a, b) => (order[a.tone] ?? 2) - (order[b.tone] ?? 2)).slice(0, maxItems)
}

export function Attention({ health }: { health: Resource<Health> }): JSX.Element {
  const now = useNow()
  const keys = useResource('keys?', signal => listKeys({}, signal))
  const fusion = useResource('readiness?live', readLive, { pollMs: 30_000 })
  if (!health.data && !health.error) return <Skeleton lines={4} />
  const items = attention(health.data, keys.data?.items ?? [], fusion.data ?? [], now)
  return (
    <>
      {health.error && (
        <div class="panel-body">
          <ErrorBox error={health.error} what="Health is not known" onRetry={() => void health.refresh()} />
        </div>
      )}
      {items.length === 0 && !health.error && (
        <Empty title="Nothing needs attention">Pools, targets and budgets are fine.</Empty>
      )}
      <ul class="checklist">
        {items.map(item => (
          <li key={item.id} class="attention">
            <span>
              <Chip tone={item.tone}>{item.state}</Chip>
            </span>
            <span>{item.text}</span>
            <a href={item.href}>{item.link}</a>
          </li>
        ))}
      </ul>
    </>
  )
}
