// What every spec shares: an own mock state per test, a frozen clock, and no tolerance for policy violations or console errors.
import { test as base, expect, type Page } from '@playwright/test'

export { expect }

export interface Options {
  /** Situation of the mock: '', empty, error, forbidden, out, operator, member, none, stale, uncounted, unpriced, kept, kept-long, kept-failing, kept-expired. */
  scenario: string
}

let counter = 0

export const test = base.extend<Options & { problems: string[] }>({
  scenario: ['', { option: true }],
  problems: [
    async ({ page, context, scenario, baseURL }, use, info) => {
      const url = baseURL ?? ''
      await context.addCookies([
        { name: 'mock', value: `${process.pid}-${info.workerIndex}-${counter++}`, url },
        { name: 'scenario', value: scenario, url },
      ])
      const problems: string[] = []
      page.on('pageerror', error => problems.push(`page error: ${error.message}`))
      page.on('console', message => {
        // A refused call is logged by the browser itself; the specs that provoke one look at the page instead.
        if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
          problems.push(`console: ${message.text()}`)
      })
      await page.addInitScript(() => {
        addEventListener('securitypolicyviolation', event => {
          console.error(`CSP ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`)
        })
      })
      await page.clock.install({ time: new Date('2026-11-20T14:02:20Z') })
      await page.clock.resume()
      await use(problems)
      expect(problems).toEqual([])
    },
    { auto: true },
  ],
})

export async function setScenario(page: Page, scenario: string): Promise<void> {
  await page.context().addCookies([{ name: 'scenario', value: scenario, url: new URL(page.url()).origin }])
}

/** The screen is there: its heading is shown and nothing is loading. */
export async function ready(page: Page, heading: string | RegExp): Promise<void> {
  await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible()
  await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
}

/** With a touch device the layout viewport grows with what overflows, so compare with the screen. */
export async function expectNoOverflow(page: Page): Promise<void> {
  const wide = await page.evaluate(() => {
    const limit = Math.min(screen.width, innerWidth)
    return {
      over: document.documentElement.scrollWidth - limit,
      who: [...document.querySelectorAll('main *')]
        .filter(
          element =>
            element.getBoundingClientRect().right > limit + 1 && !element.closest('.table-wrap,.tabs,pre,.rail'),
        )
        .slice(0, 3)
        .map(element => `${element.tagName}.${element.className}`),
    }
  })
  expect(wide, JSON.stringify(wide)).toMatchObject({ over: 0 })
}

export const screens: { path: string; heading: string | RegExp }[] = [
  { path: '/admin/overview', heading: 'Overview' },
  { path: '/admin/requests', heading: 'Requests' },
  { path: '/admin/requests/req_01K9ZX4T7F3', heading: /^Request/ },
  { path: '/admin/playground', heading: 'Playground' },
  { path: '/admin/inspect', heading: 'Route inspector' },
  { path: '/admin/sessions', heading: 'Sessions' },
  { path: '/admin/fusion', heading: /^Fusion profile/ },
  { path: '/admin/models', heading: 'Models and providers' },
  { path: '/admin/pools', heading: 'Pools and fallbacks' },
  { path: '/admin/policies/team-research', heading: 'Policies' },
  { path: '/admin/keys', heading: 'Keys' },
  { path: '/admin/usage', heading: 'Usage and budgets' },
  { path: '/admin/audit', heading: 'Audit log' },
  { path: '/admin/settings', heading: 'Settings' },
]
