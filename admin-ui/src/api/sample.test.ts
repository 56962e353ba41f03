import { describe, expect, it } from 'vitest'
import { sampleAnswer, upToDate } from './sample.ts'

describe('the sample', () => {
  const answers = {
    requests: 'list',
    'requests/figures': 'figures',
    'requests/*': 'trace',
    usage: 'by policy',
    'usage?group=day': 'by day',
    policies: { items: [{ document: { id: 'team' } }] },
    'POST fusion-profiles/*/readiness': 'readiness',
  }
  it.each([
    ['GET', 'requests?limit=50', 'list'],
    ['GET', 'requests/figures?from=x', 'figures'],
    ['GET', 'requests/req_1', 'trace'],
    ['GET', 'usage?group=day&from=x', 'by day'],
    ['GET', 'usage?group=policy', 'by policy'],
    ['GET', 'policies/team', { document: { id: 'team' } }],
    ['GET', 'policies/other', undefined],
    ['POST', 'fusion-profiles/default/readiness', 'readiness'],
    ['PUT', 'policies/team', undefined],
    ['POST', 'requests', undefined],
  ])('%s %s', (method, path, expected) => expect(sampleAnswer(answers, method, path)).toEqual(expected))
  it('ends today', () =>
    expect(upToDate('["2026-11-20T14:02:04Z","2026-11-19","v1-2026-11-20"]', Date.UTC(2027, 0, 2, 1))).toBe(
      '["2027-01-02T14:02:04Z","2027-01-01","v1-2026-11-20"]',
    ))
})
