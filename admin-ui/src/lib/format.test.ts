import { describe, expect, it } from 'vitest'
import { ago, bytes, clock, dateTime, duration, money, multiple, percent, price, tokens } from './format.ts'
import { hash, list, matches, middle, plural, sentence } from './text.ts'

function check<T>(name: string, format: (value: T) => string, table: [T, string][]): void {
  describe(name, () => {
    it.each(table)('%s -> %s', (value, expected) => expect(format(value)).toBe(expected))
  })
}

check<number | null | undefined>('money', money, [
  [null, '–'],
  [undefined, '–'],
  [Number.NaN, '–'],
  [0, '$0.00'],
  [0.00001, '< $0.0001'],
  [0.0001, '$0.0001'],
  [0.0182, '$0.0182'],
  [0.01820004, '$0.0182'],
  [0.5, '$0.50'],
  [0.123456, '$0.1235'],
  [0.99999, '$1.00'],
  [1, '$1.00'],
  [1234.5, '$1,234.50'],
  [-2, '−$2.00'],
])
check<number | null>('price', price, [
  [null, 'unpriced'],
  [0, 'free'],
  [0.4, '$0.40'],
  [15, '$15.00'],
  [0.0028, '$0.0028'],
])
check<number | null>('duration', duration, [
  [null, '–'],
  [0, '0 ms'],
  [38, '38 ms'],
  [999.4, '999 ms'],
  [999.6, '1.00 s'],
  [1450, '1.45 s'],
  [9996, '10 s'],
  [59_940, '59.9 s'],
  [124_000, '2 m 04 s'],
  [3_600_000, '1 h 00 m'],
  [90_000_000, '1 d 1 h'],
])
check<number | null>('tokens', tokens, [
  [null, '–'],
  [0, '0'],
  [9999, '9,999'],
  [12_400, '12.4 k'],
  [120_000, '120 k'],
  [3_100_000, '3.1 M'],
])
check<number | null>('percent', percent, [
  [null, '–'],
  [0, '0 %'],
  [0.004, '0.4 %'],
  [0.31, '31 %'],
])
check<number | null>('multiple', multiple, [
  [null, '–'],
  [1.32, '1.3×'],
  [12.2, '12×'],
])
check<number>('bytes', bytes, [
  [12, '12 B'],
  [2048, '2.0 KiB'],
  [8_388_608, '8.0 MiB'],
])
check<string>('clock and date', value => `${clock(value)} | ${dateTime(value)}`, [
  ['2026-11-20T14:02:11Z', '14:02:11 | 20 Nov 2026 14:02:11 UTC'],
])
check<number>('ago', at => ago(at, 1_000_000_000), [
  [1_000_000_000 - 3_000, 'just now'],
  [1_000_000_000 - 42_000, '42 seconds ago'],
  [1_000_000_000 - 120_000, '2 minutes ago'],
  [1_000_000_000 + 3 * 3_600_000, 'in 3 hours'],
  [1_000_000_000 - 86_400_000 * 3, '3 days ago'],
])
check<string>('middle', value => middle(value, 12), [
  ['short', 'short'],
  ['req_01K9ZX4T7F3', 'req_01K9…7F3'],
])
check<string[]>('list', list, [
  [[], ''],
  [['a'], 'a'],
  [['a', 'b', 'c'], 'a, b and c'],
])
check<number>('plural', value => plural(value, 'key'), [
  [1, '1 key'],
  [0, '0 keys'],
  [1200, '1,200 keys'],
])
check<string>('sentence', sentence, [['cooling', 'Cooling']])

describe('matches', () => {
  it('wants every word, in any order and case', () => {
    expect(matches('openai/gpt-4.1-mini OpenAI', 'MINI openai')).toBe(true)
    expect(matches('openai/gpt-4.1-mini', 'mini claude')).toBe(false)
  })
})

describe('hash', () => {
  it('is stable and spreads', () => {
    expect(hash('team-research')).toBe(hash('team-research'))
    expect(new Set(['a', 'b', 'c', 'd'].map(hash)).size).toBe(4)
  })
})
