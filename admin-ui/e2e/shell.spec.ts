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
