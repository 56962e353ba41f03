/** Where a menu or a tooltip opens. */
import { describe, expect, it } from 'vitest'
import { place } from './top-layer.ts'

describe('top layer', () => {
  const view = { width: 400, height: 600 }
  it.each([
    [
      'under its control',
      { left: 20, right: 120, top: 100, bottom: 132 },
      { width: 200, height: 200 },
      'start',
      { left: 20, top: 136 },
    ],
    [
      'aligned to the right edge',
      { left: 300, right: 380, top: 100, bottom: 132 },
      { width: 200, height: 200 },
      'end',
      { left: 180, top: 136 },
    ],
    [
      'above when there is more room',
      { left: 20, right: 120, top: 500, bottom: 532 },
      { width: 200, height: 200 },
      'start',
      { left: 20, top: 296 },
    ],
    [
      'inside the window',
      { left: 380, right: 396, top: 100, bottom: 132 },
      { width: 200, height: 100 },
      'start',
      { left: 192, top: 136 },
    ],
    [
      'under and shorter when both sides are tight',
      { left: 20, right: 120, top: 250, bottom: 282 },
      { width: 200, height: 900 },
      'start',
      { left: 20, top: 286, maxHeight: 306 },
    ],
  ] as const)('goes %s', (_name, anchor, box, align, expected) =>
    expect(place(anchor, box, view, align)).toMatchObject(expected),
  )
})
