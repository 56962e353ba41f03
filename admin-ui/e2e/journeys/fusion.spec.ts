// Turn fusion on safely: see who gets it, fix what blocks, test, review, enable, turn off.
import { expect, ready, test } from '../harness.ts'

test('a draft is checked for every policy and blocked calls lead to their fix', async ({ page }) => {
  await page.goto('/admin/fusion?policy=team-research')
  await ready(page, /Fusion profile/)
  const readiness = page.getByRole('region', { name: 'Live readiness' })
  await expect(readiness.getByText('Policy team-research does not allow provider local.')).toBeVisible()
  await expect(page.getByRole('button', { name: /Step 2.*2 of 4 policies/ })).toBeVisible()
  await expect(
    page.getByRole('region', { name: 'Who will see clawrouter/fusion' }).getByText('Will be hidden'),
  ).toBeVisible()
  await readiness.getByRole('link', { name: 'Allow local in team-research' }).click()
  await ready(page, 'Policies')
  await expect(page.getByLabel('Allow providers')).toHaveValue('openai anthropic deepseek local')
  await expect(page.getByText(/Gains 2 models: local\/qwen3:8b/)).toBeVisible()
  await page.getByRole('button', { name: 'Save policy' }).click()
  await expect(page.getByText(/Policy team-research saved, revision 6/)).toBeVisible()
})

test('an edit is saved as a draft, checked, tested, reviewed and enabled; the kill switch can be undone', async ({
  page,
}) => {
  await page.goto('/admin/fusion')
  await ready(page, /Fusion profile/)
  const saved = page.waitForRequest(request => request.method() === 'PUT' && request.url().endsWith('/draft'))
  const adviser = page.getByRole('combobox', { name: 'Adviser 1' })
  await adviser.fill('haiku')
  await page.getByRole('option', { name: /claude-haiku/ }).click()
  expect((await saved).postDataJSON().draft.advisers[0].model).toBe('anthropic/claude-haiku-4-5')
  await expect(page.getByText('4 unpublished changes')).toBeVisible()

  await page.keyboard.press('Escape')
  await page.locator('body').click({ position: { x: 5, y: 5 } })
  await page.keyboard.press('t')
  const drawer = page.getByRole('dialog', { name: 'Test prompt' })
  await drawer.getByRole('button', { name: 'Retries' }).click()
  await expect(drawer.getByText(/5 calls, at most \$0.0241/)).toBeVisible()
  await drawer.getByRole('button', { name: /^Run/ }).click()
  await expect(drawer.getByText('Measure the share of retried messages')).toBeVisible()
  await expect(drawer.getByText('× timeout')).toBeVisible()
  await drawer.getByRole('tab', { name: /Advisers/ }).click()
  await expect(drawer.getByRole('heading', { name: 'Answer B' })).toBeVisible()
  await drawer.getByRole('tab', { name: 'Judge' }).click()
  await expect(drawer.getByText('Idempotency key per message.')).toBeVisible()
  await drawer.getByRole('button', { name: 'Close' }).click()
  await expect(page.getByRole('button', { name: /Step 3.*Passed/ })).toBeVisible()

  await page.getByRole('button', { name: 'Review and enable' }).click()
  const review = page.getByRole('dialog', { name: 'Enable clawrouter/fusion' })
  await expect(review.getByText('team-platform')).toBeVisible()
  await expect(review.getByText('Lose it:')).toBeVisible()
  await expect(
    review.getByText('Last 7 days: 412 requests cost $8.10; with this draft at least $11.35, 1.4×.'),
  ).toBeVisible()
  await expect(review.getByText(/^Without J openai\/gpt-5.4 in 412 requests: no such call ran then/)).toBeVisible()
  const enable = review.getByRole('button', { name: /^Enable revision 8/ })
  await expect(enable).toHaveAttribute('aria-disabled', 'true')
  await review.getByRole('checkbox', { name: /Judges tend to prefer/ }).check()
  await enable.click()
  await expect(page.getByText(/clawrouter\/fusion is live, revision 8/)).toBeVisible()
  await expect(page.getByText('Revision 8 is on its way to this edge location.')).toBeVisible()
  await expect(page.getByText('Listed for default and team-research at this edge location.')).toBeVisible()
  await page.getByRole('button', { name: 'Close', exact: true }).click()
  await expect(page.getByText('Equals live')).toBeVisible()

  await page.getByRole('button', { name: 'More actions' }).click()
  await page.getByRole('menuitem', { name: 'Turn off clawrouter/fusion' }).click()
  await expect(page.getByText('clawrouter/fusion is off, revision 9.')).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.getByRole('heading', { level: 1, name: /Live: revision 10/ })).toBeVisible()
})

test('a key is shown its list as the draft would make it', async ({ page }) => {
  await page.goto('/admin/fusion')
  await ready(page, /Fusion profile/)
  await page.getByRole('button', { name: 'Preview as key…' }).click()
  const dialog = page.getByRole('dialog', { name: 'What a key is shown' })
  await dialog.getByLabel('Key').selectOption('ada-laptop, team-research')
  await expect(dialog.getByText('would list 4 models, with clawrouter/fusion.')).toBeVisible()
  await expect(dialog.getByRole('listitem').filter({ hasText: 'new' })).toHaveText(/clawrouter\/fusion/)
  await dialog.getByLabel('Key').selectOption({ index: 4 })
  await page.keyboard.press('Escape')
  await expect(dialog).toHaveCount(0)
})

test.describe('without fusion traffic', () => {
  test.use({ scenario: 'none' })
  test('the review says that there was none', async ({ page }) => {
    await page.goto('/admin/fusion?panel=review')
    await expect(page.getByText('Last 7 days: no fusion traffic.')).toBeVisible()
  })
})

test.describe('where the last days cannot be priced', () => {
  test.use({ scenario: 'unpriced' })
  test('the review says so and can still be used', async ({ page }) => {
    await page.goto('/admin/fusion?panel=review')
    const review = page.getByRole('dialog', { name: 'Enable clawrouter/fusion' })
    await expect(review.getByText(/^The last 7 days could not be loaded/)).toBeVisible()
    await expect(review.getByRole('button', { name: 'Retry' })).toBeVisible()
  })
})

test('the synthesizer alone is asked afterwards and compared without names', async ({ page }) => {
  await page.goto('/admin/fusion?panel=test')
  await ready(page, /Fusion profile/)
  const drawer = page.getByRole('dialog', { name: 'Test prompt' })
  await drawer.getByLabel('Prompt').fill('How do retries work?')
  await drawer.getByRole('button', { name: /^Run/ }).click()
  await drawer.getByRole('button', { name: 'Run synthesizer alone' }).click()
  await expect(drawer.getByRole('heading', { name: 'Synthesizer alone' })).toBeVisible()
  await expect(drawer.getByRole('region', { name: 'Text of synthesizer alone' })).toContainText('exponential backoff')
  await expect(drawer.getByRole('region', { name: 'Text of fused' })).toContainText('dead-letter queue')
  await expect(drawer.getByText('$0.0042')).toBeVisible()
  await drawer.getByRole('checkbox', { name: 'Blind' }).check()
  await expect(drawer.getByRole('heading', { name: 'Fused' })).toHaveCount(0)
  await expect(drawer.getByRole('heading', { name: 'Answer 1' })).toBeVisible()
  await expect(drawer.getByRole('article').getByText('model hidden')).toHaveCount(2)
  await drawer.getByRole('checkbox', { name: 'Blind' }).uncheck()
  await expect(drawer.getByRole('heading', { name: 'Fused' })).toBeVisible()
})

test('advisers are reordered, added and removed by keyboard', async ({ page }) => {
  await page.goto('/admin/fusion')
  await ready(page, /Fusion profile/)
  await page.getByRole('combobox', { name: 'Adviser 2' }).focus()
  await page.keyboard.press('Alt+ArrowUp')
  await expect(page.getByRole('combobox', { name: 'Adviser 1' })).toHaveValue('openai/gpt-4.1-mini')
  await expect(page.getByRole('combobox', { name: 'Adviser 1' })).toBeFocused()
  await page.getByRole('button', { name: 'Add adviser' }).press('Enter')
  await expect(page.getByRole('combobox', { name: 'Adviser 4' })).toBeVisible()
  await page.getByRole('button', { name: 'Adviser 4 actions' }).press('Enter')
  await expect(page.getByRole('menuitem').first()).toBeFocused()
  await page.keyboard.press('End')
  await expect(page.getByRole('menuitem', { name: 'Remove' })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('combobox', { name: 'Adviser 4' })).toHaveCount(0)
})

test('fallbacks of the synthesizer are added, moved and removed, and saved in order', async ({ page }) => {
  await page.goto('/admin/fusion')
  await ready(page, /Fusion profile/)
  const chain = 'openai/gpt-4.1-mini openai/gpt-5.4'
  const saved = page.waitForRequest(
    request => request.method() === 'PUT' && request.postDataJSON().draft.synthesizer.fallbacks?.join(' ') === chain,
  )
  await page.getByRole('button', { name: 'Add fallback' }).click()
  await page.getByRole('combobox', { name: 'Fallback 1' }).fill('openai/gpt-5.4')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Add fallback' }).click()
  const second = page.getByRole('combobox', { name: 'Fallback 2' })
  await second.fill('anthropic/claude-sonnet-4-6')
  await page.keyboard.press('Enter')
  await expect(page.getByText('Fallback 2 was asked before.')).toBeVisible()
  await second.fill('openai/gpt-4.1-mini')
  await page.keyboard.press('Enter')
  await second.focus()
  await page.keyboard.press('Alt+ArrowUp')
  await saved
  await page.getByRole('button', { name: 'Fallback 1 actions' }).click()
  await page.getByRole('menuitem', { name: 'Remove' }).click()
  await expect(page.getByRole('combobox', { name: 'Fallback 1' })).toHaveValue('openai/gpt-5.4')
  await expect(second).toHaveCount(0)
})

test('the page words what is impossible before the Worker is asked', async ({ page }) => {
  await page.goto('/admin/fusion')
  await ready(page, /Fusion profile/)
  await page.getByRole('combobox', { name: 'Adviser 2' }).fill('local/qwen3:8b')
  await page.keyboard.press('Enter')
  await expect(page.getByText('Same model twice.')).toBeVisible()
  await page.getByLabel('Adviser timeout').fill('10')
  await page.keyboard.press('Tab')
  await expect(page.getByText('Enter a number between 1000 and 120000.')).toBeVisible()
})

test.describe('nobody can run the synthesizer', () => {
  test.use({ scenario: 'none' })
  test('says so, with the count and the cause', async ({ page }) => {
    await page.goto('/admin/fusion')
    await expect(page.getByText('clawrouter/fusion is hidden for everyone.')).toBeVisible()
    await expect(page.getByText(/4 policies: Synthesizer: pool anthropic has no credential/)).toBeVisible()
  })
})

test.describe('an operator', () => {
  test.use({ scenario: 'operator' })
  test('reads and tests, but does not edit', async ({ page }) => {
    await page.goto('/admin/fusion')
    await ready(page, /Fusion profile/)
    await expect(page.getByText(/Editing needs the capability fusion.write/)).toBeVisible()
    await expect(page.getByRole('button', { name: 'Review and enable' })).toHaveCount(0)
    await expect(page.getByRole('combobox', { name: 'Synthesizer' })).toHaveAttribute('readonly', '')
    await expect(page.getByRole('button', { name: 'Test prompt' }).last()).toBeVisible()
  })
})
