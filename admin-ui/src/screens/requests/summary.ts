/** Figures over the rows that are shown. Pure. */
import type { RequestRow } from '../../api/schema/operate.ts'

/** The value below which `share` of the values lie (nearest rank); null for none. */
export function quantile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null
  const order = [...values].sort((a, b) => a - b)
  return order[Math.max(0, Math.ceil(share * order.length) - 1)] ?? null
}

export interface Summary {
  errorShare: number | null
  ttftP50: number | null
  ttftP95: number | null
  cost: number | null
}

export function summary(rows: readonly RequestRow[]): Summary {
  const ttft = rows.flatMap(row => (row.ttft_ms == null ? [] : [row.ttft_ms]))
  const priced = rows.flatMap(row => (row.cost_usd == null ? [] : [row.cost_usd]))
  return {
    errorShare:
      rows.length === 0 ? null : rows.filter(row => row.status >= 400 && row.status !== 499).length / rows.length,
    ttftP50: quantile(ttft, 0.5),
    ttftP95: quantile(ttft, 0.95),
    cost: priced.length === 0 ? null : priced.reduce((sum, cost) => sum + cost, 0),
  }
}
