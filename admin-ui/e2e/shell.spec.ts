// The frame: keyboard, palette, focus, theme, states that every screen shares.
import { expect, ready, setScenario, test } from './harness.ts'

test('the palette finds screens, objects and request ids', async ({ page }) => {
  await page.goto('/admin/overview')
  await ready(page, 'Overview')
  await page.keyboard.press('Control+k')
  const input = page.getByRole('combobox', { name: 'Search or jump to' })
  await expect(input).toBeFocused()
  await input.fill('inspector')
  await page.keyboard.press('Enter')
  await ready(page, 'Route inspector')
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'Search or jump to' }).fill('nightly')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/\/admin\/keys\?q=p9Xw4c/)
  await ready(page, 'Keys')
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'Search or jump to' }).fill('req_01K9ZX4T7F3')
  await page.keyboard.press('Enter')
  await ready(page, /^Request req/)
})

test('the palette turns a fusion off with a way back, and takes a prompt to the inspector', async ({ page }) => {
  await page.goto('/admin/fusion')
  await ready(page, /^Fusion profile Live: revision 7|Live: revision 7/)
  const find = async (text: string) => {
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Search or jump to' }).fill(text)
  }
  await find('turn off fusion')
  await page.getByRole('option', { name: /^Turn off clawrouter\/fusion action/ }).click()
  await expect(page.getByText('clawrouter/fusion is off, revision 8.')).toBeVisible()
  await expect(page.getByRole('heading', { level: 1, name: /Off/ })).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.getByRole('heading', { level: 1, name: /Live: revision 9/ })).toBeVisible()

  await find('Summarise this changelog')
  await page.getByRole('option', { name: /^Inspect “Summarise this changelog”/ }).click()
  await ready(page, 'Route inspector')
  await expect(page.getByLabel('Prompt, or a JSON request body')).toHaveValue('Summarise this changelog')
  expect(page.url()).not.toContain('changelog')
})

test.describe('a member', () => {
  test.use({ scenario: 'member' })
  test('has no kill switch in the palette', async ({ page }) => {
    await page.goto('/admin/keys')
    await ready(page, 'Keys')
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Search or jump to' }).fill('turn off')
    await expect(page.getByText('Nothing is called that.')).toHaveCount(0)
    await expect(page.getByRole('option', { name: /^Turn off/ })).toHaveCount(0)
  })
})

test('charts are read by keyboard and as tables; e and f go to the form and the answer', async ({ page }) => {
  await page.goto('/admin/usage?period=7d')
  await ready(page, 'Usage and budgets')
  const chart = page.getByRole('img', { name: /^Cost per day/ })
  await chart.focus()
  await page.keyboard.press('ArrowLeft')
  await expect(page.getByText(/^2026-11-20: /)).toBeVisible()
  await page.keyboard.press('v')
  await expect(page.getByRole('row', { name: /^2026-11-20 .* so far/ })).toBeVisible()
  await expect(chart).toBeHidden()
  await page.getByRole('button', { name: 'View as table' }).click()
  await expect(chart).toBeVisible()

  await page.goto('/admin/overview')
  await ready(page, 'Overview')
  await page.getByRole('img', { name: /^Cost per day/ }).focus()
  await page.keyboard.press('ArrowRight')
  await expect(page.getByText(/^2026-11-\d\d: [\d,]+ requests?, \$/)).toBeVisible()

  await page.goto('/admin/inspect')
  await page.getByRole('button', { name: 'Use a sample' }).click()
  await page.getByRole('button', { name: /^Inspect/ }).click()
  await expect(page.getByText(/answers alone/).first()).toBeVisible()
  await page.locator('h1').click()
  await page.keyboard.press('v')
  await expect(page.getByText('Health: rate limited until 14:02:53')).toBeVisible()

  await page.goto('/admin/fusion')
  await ready(page, /^Fusion profile/)
  await page.keyboard.press('e')
  await expect(page.getByRole('combobox', { name: 'Synthesizer' })).toBeFocused()

  await page.goto('/admin/playground')
  await ready(page, 'Playground')
  await page.getByLabel('Message').fill('How?')
  await page.keyboard.press('Control+Enter')
  await expect(page.getByRole('link', { name: 'trace' })).toBeVisible()
  await page.locator('h1').click()
  await page.keyboard.press('f')
  await expect(page.getByRole('group', { name: /^Answer of/ })).toBeFocused()
})

test('g and a letter jump, ? lists the shortcuts, and both can be switched off', async ({ page }) => {
  await page.goto('/admin/overview')
  await ready(page, 'Overview')
  await page.keyboard.press('g')
  await page.keyboard.press('k')
  await ready(page, 'Keys')
  await page.keyboard.press('?')
  const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  await expect(help.getByText('Create key')).toBeVisible()
  await help.getByRole('switch', { name: 'Single-letter shortcuts' }).uncheck()
  await help.getByRole('button', { name: 'Close' }).click()
  await page.keyboard.press('n')
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('letters typed into a field are not shortcuts', async ({ page }) => {
  await page.goto('/admin/keys')
  await ready(page, 'Keys')
  await page.keyboard.press('/')
  await expect(page.getByLabel('Filter keys')).toBeFocused()
  await page.keyboard.type('n')
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('a navigation moves the focus to the heading and names the document', async ({ page }) => {
  await page.goto('/admin/overview')
  await ready(page, 'Overview')
  await page.getByRole('link', { name: 'Audit log' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Audit log' })).toBeFocused()
  await expect(page).toHaveTitle('Audit log · clawrouter')
  await page.goBack()
  await ready(page, 'Overview')
})

test('the theme is chosen, kept, and set before the first paint', async ({ page }) => {
  await page.goto('/admin/settings')
  await ready(page, 'Settings')
  await page.getByLabel('Theme').selectOption('dark')
  await page.reload()
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
})

test('a failing reload keeps the old rows and says how old they are', async ({ page }) => {
  await page.goto('/admin/pools')
  await ready(page, 'Pools and fallbacks')
  await setScenario(page, 'error')
  await expect(page.getByText(/Shown as of \d\d:\d\d:\d\d UTC/)).toBeVisible({ timeout: 10_000 })
  await expect(page.getByRole('region', { name: 'Pool openai' })).toBeVisible()
  await setScenario(page, '')
  await page.getByRole('button', { name: 'Retry' }).first().click()
  await expect(page.getByText(/Shown as of/)).toHaveCount(0)
})

test('a screen that the role does not open says which one does', async ({ page }) => {
  await page.goto('/admin/audit')
  await ready(page, 'Audit log')
  await setScenario(page, 'forbidden')
  await page.reload()
  await expect(page.getByText('Your role does not open this')).toBeVisible()
})

test('an unknown address says so', async ({ page }) => {
  await page.goto('/admin/nonsense')
  await ready(page, 'No such screen')
})

test('menus and lists are never clipped or covered', async ({ page }) => {
  const hit = (name: string, role: 'menuitem' | 'option') =>
    page.getByRole(role, { name }).evaluate(element => {
      const box = element.getBoundingClientRect()
      const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)
      return box.bottom <= innerHeight && (element === top || element.contains(top))
    })
  await page.setViewportSize({ width: 390, height: 700 })
  await page.goto('/admin/keys')
  await ready(page, 'Keys')
  await page.getByRole('button', { name: 'Actions for ci', exact: true }).click()
  expect(await hit('Revoke', 'menuitem')).toBe(true)
  await page.goto('/admin/fusion')
  await ready(page, /Fusion profile/)
  await page.getByRole('combobox', { name: 'Judge' }).fill('sonnet')
  expect(await hit('claude-sonnet', 'option')).toBe(true)
})
