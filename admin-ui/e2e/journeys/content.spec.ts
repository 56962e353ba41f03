// What a request said: read only on purpose, shortened, deleted; and what stands there when nothing was kept.
import type { Page } from '@playwright/test'
import { expect, expectNoOverflow, ready, test } from '../harness.ts'

async function openTab(page: Page): Promise<void> {
  await page.goto('/admin/requests/req_01K9ZX4T7F3')
  await ready(page, /^Request/)
  await page.getByRole('tab', { name: 'Content' }).click()
}

test('nothing was kept: the page says whose decision that was and offers to run it again', async ({ page }) => {
  await openTab(page)
  await expect(page.getByText('Content was not kept (policy team-research keeps metadata only)')).toBeVisible()
  await page.getByRole('link', { name: 'Run again in playground' }).click()
  await ready(page, 'Playground')
  await expect(page.getByLabel('Act as policy')).toHaveValue('team-research')
})

test.describe('kept', () => {
  test.use({ scenario: 'kept' })
  test('is read on purpose, once, as a conversation or as it was sent, and deleted', async ({ page }) => {
    let readings = 0
    page.on('request', request => {
      if (request.method() === 'GET' && request.url().endsWith('/content')) readings += 1
    })
    await openTab(page)
    await expect(page.getByText('Showing them is written to the audit log')).toBeVisible()
    expect(readings).toBe(0)
    await page.getByRole('button', { name: 'Show content' }).click()
    const request = page.getByRole('region', { name: 'Request', exact: true })
    await expect(request.getByText('How should this service retry a failed delivery?')).toBeVisible()
    await expect(request.getByText('system', { exact: true })).toBeVisible()
    const answer = page.getByRole('region', { name: 'Answer', exact: true })
    await expect(answer.getByText('Use an idempotency key per message, and retry with a growing pause.')).toBeVisible()
    await expectNoOverflow(page)

    // Another tab and back, and a look from another window: still that one reading.
    await page.getByRole('tab', { name: 'Budget' }).click()
    await page.getByRole('tab', { name: 'Content' }).click()
    await page.evaluate(() => dispatchEvent(new Event('focus')))
    await expect(answer).toBeVisible()
    expect(readings).toBe(1)

    await page.getByRole('switch', { name: 'As it was sent' }).check()
    await expect(answer.getByText('data: [DONE]')).toBeVisible()

    await page.getByRole('button', { name: 'Delete content' }).click()
    const confirm = page.getByRole('dialog', { name: 'Delete content' })
    await confirm.getByRole('button', { name: 'Cancel' }).click()
    await expect(answer).toBeVisible()
    await page.getByRole('button', { name: 'Delete content' }).click()
    await confirm.getByRole('button', { name: 'Delete content' }).click()
    await expect(page.getByText('The content was deleted')).toBeVisible()
    await page.reload()
    await page.getByRole('tab', { name: 'Content' }).click()
    await page.getByRole('button', { name: 'Show content' }).click()
    await expect(page.getByText('The content was deleted')).toBeVisible()
  })

  test('goes to the playground without passing through the address', async ({ page }) => {
    await openTab(page)
    await page.getByRole('button', { name: 'Show content' }).click()
    await page.getByRole('button', { name: 'Run again in playground' }).click()
    await ready(page, 'Playground')
    await expect(page.getByLabel('Message')).toHaveValue('How should this service retry a failed delivery?')
    expect(page.url()).not.toContain('delivery')
  })
})

test.describe('long', () => {
  test.use({ scenario: 'kept-long' })
  test('begins with 64 KB, loads the rest when asked, and says what the router cut', async ({ page }) => {
    await openTab(page)
    await page.getByRole('button', { name: 'Show content' }).click()
    const request = page.getByRole('region', { name: 'Request', exact: true })
    await expect(request.getByText('The router kept the first')).toBeVisible()
    await expect(request.getByText('the end')).toHaveCount(0)
    await request.getByRole('button', { name: /^Load the remaining 1\d\d\.\d KiB/ }).click()
    await expect(request.getByText('the end')).toHaveCount(1)
  })
})

test.describe('out of reach', () => {
  test.use({ scenario: 'kept-failing' })
  test('says why and can be tried again', async ({ page }) => {
    await openTab(page)
    await page.getByRole('button', { name: 'Show content' }).click()
    await expect(page.getByRole('alert').getByText('The content could not be read.')).toBeVisible()
    await expect(page.getByRole('button', { name: 'Retry' })).toBeVisible()
  })
})

test.describe('expired', () => {
  test.use({ scenario: 'kept-expired' })
  test('is not asked for', async ({ page }) => {
    await openTab(page)
    await expect(page.getByText('The content has expired')).toBeVisible()
    await expect(page.getByRole('button', { name: 'Show content' })).toHaveCount(0)
  })
})
