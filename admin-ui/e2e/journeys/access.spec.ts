// Sign in, give access, take it away.
import { expect, ready, setScenario, test } from '../harness.ts'

test.describe('signed out', () => {
  test.use({ scenario: 'out' })
  test('a wrong token is refused, a right one opens the page, sign-out closes it', async ({ page }) => {
    await page.goto('/admin/keys')
    const token = page.getByLabel('Admin token')
    await expect(token).toBeFocused()
    await token.fill('wrong')
    await page.keyboard.press('Enter')
    await expect(page.getByText('This token is not the admin token of this deployment.')).toBeVisible()
    await token.fill('right')
    await page.keyboard.press('Enter')
    await ready(page, 'Keys')
    await page.getByRole('button', { name: 'admin', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Sign out', exact: true }).click()
    await expect(page.getByLabel('Admin token')).toBeVisible()
    expect(await page.evaluate(() => JSON.stringify(localStorage) + document.cookie)).not.toContain('right')
  })
  test('too many tries say how long to wait', async ({ page }) => {
    await page.goto('/admin')
    await page.getByLabel('Admin token').fill('locked')
    await page.keyboard.press('Enter')
    await expect(page.getByText(/The next one is possible in 4\d s/)).toBeVisible()
  })
})

test('a session that ends under the page leads back to sign-in', async ({ page }) => {
  await page.goto('/admin/keys')
  await ready(page, 'Keys')
  await page.route('**/admin/api/keys?**', route =>
    route.fulfill({
      status: 401,
      json: {
        error: { message: 'Sign in first.', type: 'authentication_error', param: null, code: 'invalid_admin_token' },
      },
    }),
  )
  await page.getByLabel('Filter keys').fill('ada')
  await expect(page.getByText('Your session ended.')).toBeVisible()
})

test('a key is made, shown once, stored, rotated and revoked', async ({ page }) => {
  await page.goto('/admin/keys')
  await ready(page, 'Keys')
  await page.keyboard.press('n')
  const create = page.getByRole('dialog', { name: 'Create key' })
  await expect(create.getByLabel('Name')).toBeFocused()
  await create.getByLabel('Name').fill('ada-desktop')
  await create.getByLabel('Policy').selectOption('team-research')
  await create.getByRole('button', { name: 'Create key' }).click()

  const created = page.getByRole('dialog', { name: 'Key created' })
  await expect(created.getByText('clawrouter-live-n5Vb3x-EXAMPLE').first()).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(created).toBeVisible()
  await created.getByRole('tab', { name: 'Python' }).click()
  await expect(created.getByText('client.chat.completions.create')).toBeVisible()
  await created.getByRole('checkbox', { name: 'I stored it' }).check()
  await created.getByRole('button', { name: 'Done' }).click()
  await expect(page.getByText('clawrouter-live-n5Vb3x-EXAMPLE')).toHaveCount(0)
  await expect(page.getByRole('rowheader', { name: /ada-desktop/ })).toBeVisible()

  await page.getByRole('button', { name: 'Actions for ada-laptop' }).click()
  await page.getByRole('menuitem', { name: 'Rotate' }).click()
  await page.getByRole('dialog', { name: 'Rotate ada-laptop' }).getByRole('button', { name: 'Rotate key' }).click()
  const rotated = page.getByRole('dialog', { name: 'Key rotated' })
  await expect(rotated.getByText(/The old key keeps working until 21 Nov 2026/)).toBeVisible()
  await rotated.getByRole('checkbox').check()
  await rotated.getByRole('button', { name: 'Done' }).click()

  await page.getByRole('button', { name: 'Actions for ci', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Revoke' }).click()
  const revoke = page.getByRole('dialog', { name: 'Revoke ci' })
  await expect(revoke.getByText('In use.')).toBeVisible()
  await expect(revoke.getByRole('button', { name: /^Revoke key/ })).toHaveAttribute('aria-disabled', 'true')
  await revoke.getByLabel('Type ci to confirm').fill('ci')
  await revoke.getByRole('button', { name: /^Revoke key/ }).click()
  await expect(page.getByText('ci is revoked.')).toBeVisible()
})

test('a key is put back to what it was, and a failed restoration is said', async ({ page }) => {
  await page.goto('/admin/keys')
  await ready(page, 'Keys')
  const open = async () => {
    await page.getByRole('button', { name: 'Actions for ada-laptop' }).click()
    await page.getByRole('menuitem', { name: 'History' }).click()
  }
  await open()
  const dialog = page.getByRole('dialog', { name: 'History of ada-laptop' })
  await expect(dialog.getByText('current')).toBeVisible()
  await setScenario(page, 'stale')
  await dialog.getByRole('button', { name: 'Restore revision 2' }).click()
  await expect(dialog.getByText(/^Nothing was restored/)).toBeVisible()
  await setScenario(page, '')
  await dialog.getByRole('button', { name: 'Restore revision 2' }).click()
  await expect(page.getByText('Revision 2 of ada-laptop restored as revision 4.')).toBeVisible()
})

test('a staged change tells what it would have refused', async ({ page }) => {
  await page.goto('/admin/policies/team-research')
  await ready(page, 'Policies')
  await page.getByLabel('Deny models').fill('openai/gpt-5*')
  await page.keyboard.press('Tab')
  await expect(page.getByText(/37 would have been refused: openai\/gpt-5.4 \(30\)/)).toBeVisible()
  await page.getByLabel('Deny models').fill('')
  await page.keyboard.press('Tab')
  await page.getByLabel('Requests', { exact: true }).fill('900')
  await page.keyboard.press('Tab')
  await expect(page.getByText('None of 1,204 requests in the last 7 days would have been refused.')).toBeVisible()
  await setScenario(page, 'uncounted')
  await page.getByLabel('Requests', { exact: true }).fill('901')
  await page.keyboard.press('Tab')
  await expect(page.getByText(/^The last 7 days could not be loaded/)).toBeVisible()
})

test('filters live in the address and an empty result says so', async ({ page }) => {
  await page.goto('/admin/keys?q=nobody')
  await expect(page.getByText('No keys for “nobody”')).toBeVisible()
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await expect(page).toHaveURL(/\/admin\/keys$/)
  await expect(page.getByText('6 keys')).toBeVisible()
})

test('a stale save shows both versions and keeps mine or takes theirs', async ({ page }) => {
  await page.goto('/admin/policies/team-research')
  await ready(page, 'Policies')
  await page.getByLabel('Requests', { exact: true }).fill('900')
  await page.keyboard.press('Tab')
  await setScenario(page, 'stale')
  await page.getByRole('button', { name: 'Save policy' }).click()
  await expect(page.getByText(/Revision 6 was saved meanwhile by grace@example.com/)).toBeVisible()
  await expect(page.getByText('rate › rpm')).toBeVisible()
  await page.getByRole('button', { name: 'Take theirs' }).click()
  await expect(page.getByLabel('Requests', { exact: true })).toHaveValue('300')
})

test('an operator sees no button that would be refused', async ({ page }) => {
  await page.context().addCookies([{ name: 'scenario', value: 'operator', url: 'http://127.0.0.1:4174' }])
  await page.goto('/admin/keys')
  await ready(page, 'Keys')
  await expect(page.getByRole('button', { name: 'Create key' })).toHaveCount(0)
  await page.goto('/admin/policies/team-research')
  await expect(page.getByLabel('Allow providers')).toHaveAttribute('readonly', '')
  await expect(page.getByRole('button', { name: 'Save policy' })).toHaveCount(0)
})

test.describe('a member', () => {
  test.use({ scenario: 'member' })
  test('finds the screens of their own work, and tries requests under their own policy', async ({ page }) => {
    await page.goto('/admin')
    await ready(page, 'Requests')
    const rail = page.getByRole('navigation', { name: 'Screens' })
    await expect(rail.getByRole('link')).toHaveText([
      'clawrouter',
      'Requests',
      'Playground',
      'Route inspector',
      'Keys',
      'Usage and budgets',
    ])
    await rail.getByRole('link', { name: 'Playground' }).click()
    await ready(page, 'Playground')
    await expect(page.getByLabel('Act as policy')).toHaveValue('default')
    await page.getByLabel('Message').fill('Hello')
    await page.getByRole('button', { name: /^Send/ }).click()
    await expect(page.getByText('in memory only, ends in')).toBeVisible()
    await rail.getByRole('link', { name: 'Route inspector' }).click()
    await ready(page, 'Route inspector')
    await expect(page.getByLabel('As policy')).toHaveValue('default')
  })

  test('gives an own key where they may not make one', async ({ page }) => {
    await page.goto('/admin/playground?policy=team-research')
    await ready(page, 'Playground')
    await page.getByLabel('Message').fill('Hello')
    const send = page.getByRole('button', { name: /^Send/ })
    await expect(send).toHaveAttribute('aria-disabled', 'true')
    await page.getByLabel('Your key of team-research').fill('clawrouter-live-k7Qd2m-0123456789abcdef01234567')
    await expect(page.getByText('Your key k7Qd2m, in memory only.')).toBeVisible()
    await expect(send).not.toHaveAttribute('aria-disabled', 'true')
    await page.getByRole('button', { name: 'Forget it' }).click()
    await expect(page.getByLabel('Your key of team-research')).toHaveValue('')
  })
})
