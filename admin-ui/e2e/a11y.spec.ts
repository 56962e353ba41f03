// Every screen with axe, in both themes and both widths, with data, empty and failing; no exclusions.
import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { expect, expectNoOverflow, ready, screens, setScenario, test } from './harness.ts'

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']

// axe takes seconds a page, and many times that where two run on a busy machine.
test.describe.configure({ timeout: 240_000 })

async function audit(page: Page, name: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze()
  const found = violations.map(
    item =>
      `${name}: ${item.id}: ${item.nodes
        .map(node => node.target.join(' '))
        .slice(0, 3)
        .join(' | ')}`,
  )
  expect(found).toEqual([])
}

for (const width of [1440, 390] as const) {
  const narrow = width === 390
  test.describe(`at ${width} px`, () => {
    test.use({ viewport: { width, height: narrow ? 844 : 900 }, ...(narrow ? { hasTouch: true, isMobile: true } : {}) })
    for (const { path, heading } of screens) {
      test(`${path} is accessible and fits`, async ({ page }) => {
        await page.goto(path)
        await ready(page, heading)
        await expectNoOverflow(page)
        for (const theme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme: theme })
          await audit(page, theme)
        }
        // The states without data reuse the same parts; the phone is where they break first.
        for (const scenario of narrow ? ['empty', 'error'] : []) {
          await setScenario(page, scenario)
          await page.reload()
          await ready(page, heading)
          await expectNoOverflow(page)
          await audit(page, scenario)
        }
      })
    }

    test('kept content is accessible and fits', async ({ page }) => {
      await page.goto('/admin/requests/req_01K9ZX4T7F3')
      await setScenario(page, 'kept')
      await page.reload()
      await ready(page, /^Request/)
      await page.getByRole('tab', { name: 'Content' }).click()
      await page.getByRole('button', { name: 'Show content' }).click()
      await expect(page.getByRole('region', { name: 'Answer', exact: true })).toBeVisible()
      await expectNoOverflow(page)
      for (const theme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: theme })
        await audit(page, theme)
      }
    })

    const both = async (page: Page) => {
      await expectNoOverflow(page)
      for (const theme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: theme })
        await audit(page, theme)
      }
    }

    test('the trace of an own test is accessible and fits', async ({ page }) => {
      await page.goto('/admin/fusion?panel=test')
      const drawer = page.getByRole('dialog', { name: 'Test prompt' })
      await drawer.getByLabel('Prompt').fill('How?')
      await drawer.getByRole('button', { name: /^Run/ }).click()
      await drawer.getByRole('button', { name: 'Run synthesizer alone' }).click()
      await expect(drawer.getByRole('article')).toHaveCount(2)
      await both(page)
      await drawer.getByRole('link', { name: 'Open the trace' }).click()
      await ready(page, /^Request/)
      for (const box of await page.getByRole('checkbox', { name: 'Compare' }).all()) await box.check()
      await expect(page.getByRole('region', { name: 'Comparison' })).toBeVisible()
      await page.getByRole('button', { name: 'Expand all' }).click()
      await both(page)
      for (const name of ['Judge', 'Synthesizer', 'Budget']) {
        await page.getByRole('tab', { name }).click()
        await both(page)
      }
    })

    test('answers side by side and a chart as a table are accessible and fit', async ({ page }) => {
      await page.goto('/admin/playground?model=clawrouter%2Ffusion&beside=openai%2Fgpt-4.1-mini+demo%2Ffast')
      await page.getByLabel('Message').fill('How?')
      await page.keyboard.press('Control+Enter')
      await expect(page.getByRole('link', { name: 'trace' }).filter({ visible: true })).toHaveCount(narrow ? 1 : 3)
      await both(page)
      await page.goto('/admin/usage')
      await page.getByRole('button', { name: 'View as table' }).click()
      await both(page)
    })

    test('a member who gives a key is accessible and fits', async ({ page }) => {
      await page.goto('/admin/playground?policy=team-research')
      await setScenario(page, 'member')
      await page.reload()
      await ready(page, 'Playground')
      await page.getByLabel('Your key of team-research').fill('sk-something-else')
      await expect(page.getByText('A key of this router begins with clawrouter-.')).toBeVisible()
      await expectNoOverflow(page)
      for (const theme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: theme })
        await audit(page, theme)
      }
    })

    const dialogs: [string, string][] = [
      ['/admin/fusion?panel=test', 'Test prompt'],
      ['/admin/fusion?panel=review', 'Enable clawrouter/fusion'],
      ['/admin/fusion?panel=history', 'History of default'],
      ['/admin/models?wizard=1', 'Connect local endpoint'],
      ['/admin/keys?new=1', 'Create key'],
      ['/admin/policies?new=1', 'New policy'],
    ]
    for (const [path, name] of dialogs) {
      test(`dialog ${name} is accessible and fits`, async ({ page }) => {
        await page.goto(path)
        const dialog = page.getByRole('dialog', { name })
        await expect(dialog).toBeVisible()
        await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
        for (const theme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme: theme })
          await audit(page, theme)
        }
        const box = await dialog.boundingBox()
        expect(box && box.x >= 0 && box.x + box.width <= width).toBe(true)
      })
    }
  })
}

test.describe('signed out', () => {
  test.use({ scenario: 'out' })
  for (const width of [1440, 390]) {
    test(`sign-in is accessible at ${width} px`, async ({ page }) => {
      await page.setViewportSize({ width, height: 844 })
      await page.goto('/admin')
      await expect(page.getByLabel('Admin token')).toBeVisible()
      await audit(page, 'sign-in')
      await expectNoOverflow(page)
    })
  }
})

test('reflows at 320 px, as at 400 % zoom', async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 640 })
  for (const { path, heading } of screens) {
    await page.goto(path)
    await ready(page, heading)
    await expectNoOverflow(page)
  }
})
