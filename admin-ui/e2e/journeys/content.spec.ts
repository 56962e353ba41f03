// What a request said: read only on purpose, shortened, deleted; and what stands there when nothing was kept.
import type { Page } from '@playwright/test'
import { expect, expectNoOverflow, ready, test } from '../harness.ts'

async function openTab(page: Page): Promise<void> {
  await page.goto('/admin/requests/req_01K9ZX4T7F3')
  await ready(page, /^Request/)
  await page.getByRole('tab', { name: 'Content' }).click()
}

test('nothing was kept: every tab says whose decision that was, and the test of the profile is one step away', async ({
  page,
}) => {
  await openTab(page)
  const why = page.getByText('Content was not kept (policy team-research keeps metadata only)')
  await expect(why).toBeVisible()
  for (const name of ['Advisers', 'Judge', 'Synthesizer']) {
    await page.getByRole('tab', { name }).click()
    await expect(why).toBeVisible()
  }
  await page.getByRole('tab', { name: 'Advisers' }).click()
  await expect(page.getByRole('heading', { name: 'Answer C' })).toBeVisible()
  await expect(page.getByRole('article').getByText('deepseek/deepseek-v4-flash')).toBeVisible()
  await page.getByRole('checkbox', { name: 'Blind' }).check()
  await expect(page.getByRole('article').getByText('deepseek/deepseek-v4-flash')).toHaveCount(0)
  await page.getByRole('link', { name: 'Run again with trace' }).click()
  await ready(page, /^Fusion profile/)
  const drawer = page.getByRole('dialog', { name: 'Test prompt' })
  await expect(drawer.getByLabel('Policy to act as')).toHaveValue('team-research')
  await expect(drawer.getByLabel('Prompt')).toHaveValue('')
})

test('the trace of an own test has its drafts, the notes and the injected message while the page remembers them', async ({
  page,
}) => {
  await page.goto('/admin/fusion?panel=test')
  await ready(page, /^Fusion profile/)
  const drawer = page.getByRole('dialog', { name: 'Test prompt' })
  await drawer.getByLabel('Prompt').fill('How do retries work?')
  await drawer.getByRole('button', { name: /^Run/ }).click()
  await drawer.getByRole('link', { name: 'Open the trace' }).click()
  await ready(page, /^Request/)
  await expect(page.getByRole('tab', { name: 'Advisers' })).toHaveAttribute('aria-selected', 'true')
  await expect(page.getByText('in the memory of this page only')).toBeVisible()
  await expect(page.getByRole('region', { name: 'Text of answer b' })).toContainText('idempotency key')
  await page.getByRole('region', { name: 'Text of answer a' }).focus()
  await page.keyboard.press('x')
  await page.getByRole('article').nth(1).getByRole('checkbox', { name: 'Compare' }).check()
  await expect(page.getByRole('region', { name: 'Comparison' }).getByRole('deletion').first()).toBeVisible()
  await page.locator('h1').click()
  await page.keyboard.press('f')
  await expect(page.getByRole('article')).toHaveCount(1)
  await page.getByRole('button', { name: 'Answer B' }).click()
  await expect(page.getByRole('region', { name: 'Text of answer b' })).toBeVisible()
  await expectNoOverflow(page)
  await page.getByRole('tab', { name: 'Judge' }).click()
  await expect(page.getByRole('heading', { name: 'Blind spots' })).toBeVisible()
  await page.getByRole('switch', { name: 'As JSON' }).check()
  await expect(page.getByRole('region', { name: 'Notes of the judge' })).toContainText('"consensus"')
  await page.getByRole('tab', { name: 'Synthesizer' }).click()
  await expect(page.getByText('Draft A: 114 characters, whole')).toBeVisible()
  await expect(page.getByRole('region', { name: 'The message that the synthesizer received' })).toContainText(
    '===== begin draft B',
  )
  await page.getByRole('link', { name: 'Replay in playground' }).click()
  await ready(page, 'Playground')
  await expect(page.getByLabel('Message')).toHaveValue('How do retries work?')
  await page.goBack()
  await ready(page, /^Request/)
  await page.getByRole('link', { name: 'Open in inspector' }).click()
  await ready(page, 'Route inspector')
  await expect(page.getByLabel('Prompt, or a JSON request body')).toHaveValue('How do retries work?')
  expect(page.url()).not.toContain('retries')
  await page.reload()
  await page.goto('/admin/requests/req_01K9TESTPROMPT')
  await expect(page.getByRole('tab', { name: /attempts/ })).toHaveAttribute('aria-selected', 'true')
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

  test('goes to playground, inspector and test prompt without passing through the address', async ({ page }) => {
    const prompt = 'How should this service retry a failed delivery?'
    const show = async () => {
      await openTab(page)
      await page.getByRole('button', { name: 'Show content' }).click()
    }
    await show()
    await page.getByRole('link', { name: 'Replay in playground' }).click()
    await ready(page, 'Playground')
    await expect(page.getByLabel('Message')).toHaveValue(prompt)
    expect(page.url()).not.toContain('delivery')

    await show()
    await page.getByRole('link', { name: 'Open in inspector' }).click()
    await ready(page, 'Route inspector')
    await expect(page.getByLabel('Prompt, or a JSON request body')).toHaveValue(/"You review designs\."[\s\S]*retry/)
    expect(page.url()).not.toContain('delivery')

    await show()
    await page.getByRole('tab', { name: 'Synthesizer' }).click()
    await expect(page.getByRole('region', { name: 'Final answer' })).toContainText('idempotency key per message')
    await expect(page.getByText('Drafts are never kept')).toBeVisible()
    await page.getByRole('link', { name: 'Run again with trace' }).click()
    const drawer = page.getByRole('dialog', { name: 'Test prompt' })
    await expect(drawer.getByLabel('Prompt')).toHaveValue(prompt)
    await expect(drawer.getByText('A test sends one message')).toBeVisible()
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
