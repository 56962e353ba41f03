/** Numbers, money, durations and dates as the page prints them. Pure: the clock is a parameter. */

import { grouped } from './text.ts'

const dash = '–'

/** Dollars: two decimals from $1 on, four significant digits below, "< $0.0001" for dust, a dash for unknown. */
export function money(usd: number | null | undefined): string {
  if (usd == null || !Number.isFinite(usd)) return dash
  if (usd === 0) return '$0.00'
  const sign = usd < 0 ? '−' : ''
  const size = Math.abs(usd)
  if (size < 0.0001) return `${sign}< $0.0001`
  if (size >= 0.99995) return `${sign}$${grouped(size.toFixed(2))}`
  const digits = Number(size.toPrecision(4)).toFixed(8).replace(/0+$/, '')
  const decimals = digits.split('.')[1] ?? ''
  return `${sign}$0.${decimals.padEnd(2, '0')}`
}

/** Dollars per million tokens: trailing zeros dropped beyond two decimals, "free" for zero. */
export function price(perMillion: number | null | undefined): string {
  if (perMillion == null) return 'unpriced'
  if (perMillion === 0) return 'free'
  return money(perMillion)
}

/** Milliseconds as `38 ms`, `1.45 s` or `2 m 04 s`. */
export function duration(ms: number | null | undefined): string {
  if (ms == null || !Number.isFinite(ms)) return dash
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`
  if (seconds < 86_400)
    return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} m`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** Whole numbers with separators. */
export function count(value: number | null | undefined): string {
  return value == null ? dash : grouped(value.toFixed(0))
}

/** Token counts: exact below ten thousand, then `12.4 k`, `3.1 M`. */
export function tokens(value: number | null | undefined): string {
  if (value == null) return dash
  if (value < 10_000) return count(value)
  if (value < 999_500) return `${trim(value / 1000)} k`
  return `${trim(value / 1_000_000)} M`
}

function trim(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '')
}

/** A share of 0..1 as percent; one decimal below ten. */
export function percent(share: number | null | undefined): string {
  if (share == null || !Number.isFinite(share)) return dash
  const value = share * 100
  return `${value !== 0 && Math.abs(value) < 10 ? value.toFixed(1) : value.toFixed(0)} %`
}

/** "1.2×"; a dash for unknown. */
export function multiple(value: number | null | undefined): string {
  return value == null ? dash : `${value >= 10 ? value.toFixed(0) : value.toFixed(1)}×`
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const two = (value: number) => String(value).padStart(2, '0')

/** `14:02:11`, UTC. */
export function clock(at: string | number | Date): string {
  const date = new Date(at)
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
}

/** `20 Nov 2026`, UTC. */
export function day(at: string | number | Date): string {
  const date = new Date(at)
  return `${date.getUTCDate()} ${months[date.getUTCMonth()] ?? ''} ${date.getUTCFullYear()}`
}

/** `20 Nov 2026 14:02:11 UTC`. */
export function dateTime(at: string | number | Date): string {
  return `${day(at)} ${clock(at)} UTC`
}

/** "2 minutes ago", "in 3 hours", "just now". */
export function ago(at: string | number | Date, now: number): string {
  const seconds = Math.round((new Date(at).getTime() - now) / 1000)
  const size = Math.abs(seconds)
  if (size < 5) return 'just now'
  const [amount, unit] =
    size < 90
      ? [size, 'second']
      : size < 5400
        ? [Math.round(size / 60), 'minute']
        : size < 129_600
          ? [Math.round(size / 3600), 'hour']
          : [Math.round(size / 86_400), 'day']
  const words = `${amount} ${unit}${amount === 1 ? '' : 's'}`
  return seconds < 0 ? `${words} ago` : `in ${words}`
}

/** Bytes with a binary unit. */
export function bytes(value: number): string {
  if (value < 1024) return `${value} B`
  if (value < 1_048_576) return `${(value / 1024).toFixed(1)} KiB`
  return `${(value / 1_048_576).toFixed(1)} MiB`
}
