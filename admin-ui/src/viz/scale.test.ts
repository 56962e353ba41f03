/** Ticks, shares and gaps of charts. */
import { describe, expect, it } from 'vitest'
import { niceTicks, rulerTicks, share } from './scale.ts'
import { sparkPath } from './spark.tsx'
import { stepped } from './use-cursor.ts'

describe('scales', () => {
  it.each([
    [0, [0, 1]],
    [7.24, [0, 2, 4, 6, 8]],
    [15, [0, 5, 10, 15]],
    [0.013, [0, 0.005, 0.01, 0.015]],
  ])('ticks for %s', (max, expected) => expect(niceTicks(max)).toEqual(expected))
  it('ends a ruler where the data ends', () => expect(rulerTicks(7240)).toEqual([0, 2000, 4000, 7240]))
  it('keeps shares inside', () =>
    expect([share(5, 10), share(-1, 10), share(20, 10), share(1, 0)]).toEqual([50, 0, 100, 0]))
  it('leaves a gap for a missing value', () => expect(sparkPath([1, null, 1], 10, 10).match(/M/g)).toHaveLength(2))
})

describe('cursor', () => {
  it.each<[string, number | null, number, number | null]>([
    ['ArrowRight', null, 3, 0],
    ['ArrowLeft', null, 3, 2],
    ['ArrowRight', 2, 3, 2],
    ['ArrowLeft', 0, 3, 0],
    ['ArrowRight', 0, 3, 1],
    ['ArrowRight', null, 0, null],
    ['Enter', 1, 3, null],
  ])('%s from %s of %s is %s', (key, at, length, expected) => expect(stepped(key, at, length)).toBe(expected))
})
