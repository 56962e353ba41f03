/** Axis arithmetic. Pure. */

const steps = [1, 2, 2.5, 5, 10]

/** Round values from 0 to at least `max`, at most `count` intervals. */
export function niceTicks(max: number, count = 4): number[] {
  if (!(max > 0) || !Number.isFinite(max)) return [0, 1]
  const raw = max / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = (steps.find(size => size * power >= raw - Number.EPSILON) ?? 10) * power
  const ticks = [0]
  while ((ticks.at(-1) ?? 0) < max - step * 1e-9) ticks.push(Number((step * ticks.length).toPrecision(12)))
  return ticks
}

/** Round values from 0, none so close to `max` that the labels meet, then `max` itself: a ruler that ends where the data ends. */
export function rulerTicks(max: number, count = 4): number[] {
  const inner = niceTicks(max, count).filter(tick => tick < max * 0.8)
  return [...inner, max]
}

/** A value's place in percent of `max`, between 0 and 100. */
export function share(value: number, max: number): number {
  return max > 0 ? Math.min(100, Math.max(0, (value / max) * 100)) : 0
}
