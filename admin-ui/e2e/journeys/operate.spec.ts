// Connect, try, see what happened, find out why.
import { readFile } from 'node:fs/promises'
import { expect, expectNoOverflow, ready, setScenario, test } from '../harness.ts'

test.describe('first run', () => {
  test.use({ scenario: 'empty' })
  test('the checklist says what is left and turns into the overview when it is done', async ({ page }) => {
    await page.goto('/admin')
    await ready(page, 'Overview')
    const checklist = page.getByRole('region', { name: 'Set up' })
    await expect(checklist.getByText('5 of 9, checked live')).toBeVisible()
    await checklist.getByRole('button', { name: /Verify openai/ }).click()
    await expect(page.getByText('openai/gpt-4.1-mini answered in 812 ms: “ok”')).toBeVisible()
    await setScenario(page, '')
    await expect(checklist).toHaveCount(0, { timeout: 10_000 })
  })

  test('sample data fills every screen for a tour, changes nothing and is left again', async ({ page }) => {
    await page.goto('/admin')
    await ready(page, 'Overview')
    await page.getByRole('button', { name: 'Use sample data' }).click()
    const bar = page.getByText('Sample data of a made-up deployment.')
    await expect(bar).toBeVisible()
    await expect(page.getByRole('table', { name: 'Latest requests' })).toBeVisible()
    const asked: string[] = []
    page.on('request', request => asked.push(new URL(request.url()).pathname))
    for (const screen of [
      'Requests',
      'Sessions',
      'Fusion',
      'Models and providers',
      'Keys',
      'Usage and budgets',
      'Audit log',
    ]) {
      await page.getByRole('navigation').getByRole('link', { name: screen, exact: true }).click()
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
      await expect(page.getByRole('table').first()).toBeVisible()
      await expect(page.getByRole('alert')).toHaveCount(0)
      await expectNoOverflow(page)
    }
    await page.getByRole('navigation').getByRole('link', { name: 'Requests', exact: true }).click()
    await page.getByRole('table', { name: 'Requests' }).getByRole('link').first().click()
    await expect(page.getByRole('tab', { name: 'Attempts' })).toBeVisible()
    expect(asked.filter(path => path.startsWith('/admin/api'))).toEqual([])
    await page.getByRole('button', { name: 'Leave the sample' }).click()
    await expect(bar).toHaveCount(0)
  })
})

test('models say who is shown them and what uses them; a verification says what the upstream wrote', async ({
  page,
}) => {
  await page.goto('/admin/models')
  await ready(page, 'Models and providers')
  const openai = page.getByRole('table', { name: 'Providers' }).getByRole('row', { name: /^openai/ })
  await expect(openai).toContainText('3 priced')
  await expect(openai).toContainText('$134.10')
  const row = page.getByRole('table', { name: 'Models' }).getByRole('row', { name: /claude-sonnet-4-6/ })
  await expect(row.getByRole('link', { name: 'fusion default' })).toHaveAttribute('href', '/admin/fusion/default')
  await row.getByText('3 of 5').click()
  await expect(row.getByRole('link', { name: 'Allow anthropic in contractors' })).toBeVisible()
  const failing = page.getByRole('table', { name: 'Models' }).getByRole('row', { name: /deepseek-v4-pro/ })
  await failing.getByRole('button', { name: 'Verify (1 call)' }).click()
  await expect(failing.getByRole('alert')).toContainText(
    'No answer after 240 ms. 401 invalid_api_key: Incorrect API key provided. (upstream request req_up_9)',
  )
})

test('a local endpoint is checked step by step and saved', async ({ page }) => {
  await page.goto('/admin/models')
  await ready(page, 'Models and providers')
  await page.getByRole('button', { name: 'Connect local endpoint' }).click()
  const wizard = page.getByRole('dialog', { name: 'Connect local endpoint' })
  await wizard.getByLabel('Protection').selectOption('bearer')
  await wizard.getByLabel('Token').fill('secret-token')
  await wizard.getByLabel('Address').fill('https://open.example.com/v1')
  await wizard.getByRole('button', { name: /^Check endpoint/ }).click()
  await expect(wizard.getByText(/anyone on the internet can use it/)).toBeVisible()
  await expect(wizard.getByRole('button', { name: /^Save provider/ })).toHaveAttribute('aria-disabled', 'true')
  await wizard.getByLabel('Address').fill('https://llm.example.com/v1')
  const sent = page.waitForRequest('**/admin/api/local/discover')
  await wizard.getByRole('button', { name: /^Check endpoint/ }).click()
  expect((await sent).postDataJSON()).toMatchObject({ base_url: 'https://llm.example.com', auth: { scheme: 'bearer' } })
  await expect(wizard.getByText('Streams; first event after 210 ms')).toBeVisible()
  const saved = page.waitForRequest(request => request.method() === 'PUT' && request.url().includes('/providers/'))
  await wizard.getByRole('button', { name: /^Save provider/ }).click()
  const document = (await saved).postData() ?? ''
  expect(document).toContain('https://llm.example.com')
  expect(document).not.toContain('secret-token')
  await expect(page.getByText(/Provider local is connected/)).toBeVisible()
})

test('a model is tried as a caller: the key is minted, named, and never leaves memory', async ({ page }) => {
  await page.goto('/admin/playground')
  await ready(page, 'Playground')
  await expect(page.getByText(/The first send mints a key named playground/)).toBeVisible()
  await page.getByLabel('Message').fill('How do retries work?')
  const minted = page.waitForRequest('**/admin/api/keys')
  const asked = page.waitForRequest('**/v1/chat/completions')
  await page.keyboard.press('Control+Enter')
  expect((await minted).postDataJSON()).toMatchObject({ policy: 'default', label: 'playground' })
  const headers = await (await asked).allHeaders()
  expect(headers['authorization']).toMatch(/^Bearer clawrouter-live-/)
  expect(headers['cookie']).toBeUndefined()
  await expect(page.getByText('Give each message an idempotency key.')).toBeVisible()
  await expect(page.getByText('2 attempts')).toBeVisible()
  await expect(page.getByText(/24 in · 61 out/)).toBeVisible()
  expect(
    await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href])),
  ).not.toContain('EXAMPLE')

  await page.getByLabel('Message').fill('please fail')
  await page.getByRole('button', { name: /^Send(?! again)/ }).click()
  await expect(page.getByRole('alert').getByText(/Every target of deepseek/)).toBeVisible()
  await expect(page.getByText(/Look at Pools and fallbacks for what is cooling/)).toBeVisible()

  await page.getByRole('button', { name: 'Code' }).click()
  await expect(page.getByRole('dialog', { name: 'This request as code' }).getByText('YOUR_KEY').first()).toBeVisible()
})

test('a stream is stopped midway and says what was billed', async ({ page }) => {
  await page.goto('/admin/playground')
  await ready(page, 'Playground')
  await page.getByLabel('Message').fill('slow please')
  await page.getByRole('button', { name: /^Send(?! again)/ }).click()
  await expect(page.getByText('Retry with')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page.getByText('stopped; what was produced is billed')).toBeVisible()
})

test('a message to a fusion has its price before it is sent', async ({ page }) => {
  await page.goto('/admin/playground?model=clawrouter%2Ffusion')
  await ready(page, 'Playground')
  const called: string[] = []
  page.on('request', request => {
    if (request.url().includes('/v1/')) called.push(request.url())
  })
  await expect(page.getByText('5 calls, at most $0.0241.')).toBeVisible()
  expect(called).toEqual([])
  await page.getByRole('combobox', { name: 'Model', exact: true }).fill('openai/gpt-4.1-mini')
  await page.keyboard.press('Enter')
  await expect(page.getByText(/at most/)).toHaveCount(0)
})

test('three models answer the same messages side by side; Escape stops them all', async ({ page }) => {
  await page.goto('/admin/playground?model=openai%2Fgpt-4.1-mini')
  await ready(page, 'Playground')
  const minted: string[] = []
  page.on('request', request => {
    if (request.method() === 'POST' && request.url().endsWith('/admin/api/keys')) minted.push(request.url())
  })
  const another = page.getByRole('button', { name: 'Compare with another model' })
  await another.click()
  await another.click()
  await expect(another).toHaveCount(0)
  await page.getByRole('combobox', { name: 'Model beside it 2' }).fill('deepseek/deepseek-v4-flash')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/beside=\S+deepseek/)
  await page.getByLabel('Message').fill('How do retries work?')
  await page.keyboard.press('Control+Enter')
  const lanes = page.getByRole('group', { name: /^Answer of/ })
  await expect(lanes).toHaveCount(3)
  await expect(lanes.getByText('Give each message an idempotency key.')).toHaveCount(3)
  await expect(lanes.getByText('$0.0042')).toHaveCount(3)
  await expect(lanes.nth(2).getByText('deepseek/deepseek-v4-flash').first()).toBeVisible()
  await expect(lanes.getByRole('listitem')).toHaveCount(6)
  expect(minted).toHaveLength(1)
  for (const lane of await lanes.all()) expect((await lane.boundingBox())?.width).toBeGreaterThanOrEqual(260)

  await page.getByLabel('Message').fill('slow please')
  await page.keyboard.press('Control+Enter')
  await expect(lanes).toHaveCount(6)
  await expect(lanes.nth(5).getByText('Retry with')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page.getByText('stopped; what was produced is billed')).toHaveCount(3)
  await expectNoOverflow(page)

  await page.setViewportSize({ width: 390, height: 844 })
  await expect(lanes.filter({ visible: true })).toHaveCount(2)
  const choice = page.getByRole('group', { name: 'Answer to show' })
  await choice.getByRole('button', { name: 'deepseek/deepseek-v4-flash' }).click()
  await expect(page.getByRole('group', { name: 'Answer of deepseek/deepseek-v4-flash' }).first()).toBeVisible()
  await expectNoOverflow(page)
})

test('what was asked here goes along from its trace', async ({ page }) => {
  await page.goto('/admin/playground')
  await ready(page, 'Playground')
  await page.getByLabel('System text').fill('Be brief.')
  await page.getByLabel('Message').fill('How do retries work?')
  await page.keyboard.press('Control+Enter')
  await page.getByRole('link', { name: 'trace' }).click()
  await ready(page, /^Request req/)
  await page.getByRole('link', { name: 'Replay in playground' }).click()
  await ready(page, 'Playground')
  await expect(page.getByLabel('Message')).toHaveValue('How do retries work?')
  await expect(page.getByLabel('System text')).toHaveValue('Be brief.')
  expect(page.url()).not.toContain('retries')
})

test('a degraded request is found and explained call by call', async ({ page }) => {
  await page.goto('/admin/requests')
  await ready(page, 'Requests')
  await page.getByLabel('Status').selectOption('degraded')
  await expect(page).toHaveURL(/status=degraded/)
  await expect(page.getByRole('row')).toHaveCount(2)
  await page.locator('h1').click()
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await ready(page, /^Request req/)
  const timeline = page.getByRole('region', { name: 'Timeline' })
  await timeline.getByRole('button', { name: /Adviser 3/ }).click()
  const detail = timeline.getByRole('region', { name: /in detail$/ })
  await expect(detail.getByText('5.00 s')).toBeVisible()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(timeline.getByRole('region', { name: 'Judge in detail' })).toBeVisible()
  await page.keyboard.press('e')
  await expect(detail).toHaveCount(7)
  await expectNoOverflow(page)
  await page.keyboard.press('e')
  await expect(detail).toHaveCount(0)
  await expect(timeline.getByRole('button', { name: /Adviser 3.*on the critical path/ })).toBeVisible()
  await expect(timeline.getByRole('button', { name: /Adviser 1.*on the critical path/ })).toHaveCount(0)
  await page.getByRole('tab', { name: 'Budget' }).click()
  await expect(page.getByRole('row', { name: /Judge/ })).toContainText('$0.0041')
  await expect(page.getByRole('row', { name: /^Total/ })).toContainText('$0.0043')
  await page.getByRole('tab', { name: 'Routing' }).click()
  await expect(page.getByText(/runs 3 advisers, a judge/)).toBeVisible()
  await page.getByRole('tab', { name: 'Content' }).click()
  await expect(page.getByText(/policy team-research keeps metadata only/)).toBeVisible()
})

test('figures and the histogram are of the whole filter, and a stretch of it becomes the period', async ({ page }) => {
  await page.goto('/admin/requests')
  await ready(page, 'Requests')
  await expect(page.getByText('Of the newest 10,000 rows')).toBeVisible()
  const histogram = page.getByRole('slider', { name: /^Requests over time/ })
  await histogram.focus()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Shift+ArrowRight')
  await expect(histogram).toHaveAttribute('aria-valuetext', /13:10 – 13:11: .* … 20 Nov 2026 13:11 – 13:12/)
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/from=2026-11-20T13%3A10%3A00Z&to=2026-11-20T13%3A12%3A00Z/)
  await expect(page.getByText('41', { exact: true })).toBeVisible()
  await expect(page.getByText('Of the newest')).toHaveCount(0)
  await page.getByRole('button', { name: /^from: / }).click()
  const box = await histogram.boundingBox()
  if (!box) throw new Error('no histogram')
  await page.mouse.move(box.x + 5, box.y + 5)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width - 5, box.y + 5, { steps: 4 })
  await page.mouse.up()
  await expect(page).toHaveURL(/to=2026-11-20T14%3A03%3A00Z&from=2026-11-20T13%3A10%3A00Z/)
})

test('requests are filtered by strategy, cost, duration, key and session, and exported as they are filtered', async ({
  page,
}) => {
  await page.goto('/admin/requests')
  await ready(page, 'Requests')
  await page.getByLabel('Strategy').selectOption('fusion')
  await expect(page.getByRole('row')).toHaveCount(3)
  await page.getByLabel('Duration').selectOption('Over 5 s')
  await page.getByLabel('Cost').selectOption('Over $0.01')
  await expect(page).toHaveURL(/strategy=fusion&duration_over_ms=5000&cost_over_usd=0.01/)
  await page.getByRole('button', { name: 'ses_9f2c…1ab' }).click()
  await page.getByRole('button', { name: 'ada-laptop' }).click()
  await expect(page.getByRole('row')).toHaveCount(2)
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export JSONL' }).click()
  const text = await readFile(await (await download).path(), 'utf8')
  expect(
    text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).request_id),
  ).toEqual(['req_01K9ZX4T7F3'])
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await expect(page.getByRole('row')).toHaveCount(13)
})

test.describe('where the figures fail', () => {
  test.use({ scenario: 'uncounted' })
  test('the list stays and the failure is said beside it', async ({ page }) => {
    await page.goto('/admin/requests')
    await ready(page, 'Requests')
    await expect(page.getByText(/^The figures could not be counted/)).toBeVisible()
    await expect(page.getByRole('row')).toHaveCount(13)
  })
})

test('a decision is explained without a call', async ({ page }) => {
  await page.goto('/admin/inspect')
  await ready(page, 'Route inspector')
  const called: string[] = []
  page.on('request', request => {
    if (request.url().includes('/v1/')) called.push(request.url())
  })
  await page.getByRole('button', { name: 'Use a sample' }).click()
  await page.getByRole('button', { name: /^Inspect/ }).click()
  await expect(page.getByText(/answers alone: highest score 0.73/)).toBeVisible()
  await expect(page.getByRole('img', { name: /region single/ })).toBeVisible()
  await page.getByText('All candidates as a table').click()
  await expect(page.getByText('Health: rate limited until 14:02:53')).toBeVisible()
  expect(called).toEqual([])
})

test('a resting credential is reset, a new one is pasted and never shown', async ({ page }) => {
  await page.goto('/admin/pools')
  await ready(page, 'Pools and fallbacks')
  const pool = page.getByRole('region', { name: 'Pool openai' })
  await expect(pool.getByText(/cooling \d+/)).toBeVisible()
  await pool.getByRole('button', { name: 'Reset org1' }).click()
  await expect(page.getByText('3 conditions cleared.')).toBeVisible()
  await page.getByText(/pools? without a credential/).click()
  await page.getByRole('button', { name: 'Add credential to groq' }).click()
  const dialog = page.getByRole('dialog', { name: 'Credentials of groq' })
  await dialog.getByLabel('Value').fill('sk-ant-secret')
  await expect(dialog.getByText(/looks like a key of anthropic/)).toBeVisible()
  await dialog.getByLabel('Value').fill('gsk_secret_9f2K')
  await dialog.getByRole('button', { name: /^Store credential/ }).click()
  await expect(page.getByText('Credential main of groq is stored.')).toBeVisible()
  await expect(dialog.getByLabel('Value')).toHaveValue('')
  await expect(page.getByText('gsk_secret')).toHaveCount(0)
})

test('a fallback route is reordered by keyboard', async ({ page }) => {
  await page.goto('/admin/pools')
  await ready(page, 'Pools and fallbacks')
  await page.getByRole('button', { name: 'Actions for smart' }).click()
  await page.getByRole('menuitem', { name: 'Edit targets' }).click()
  const dialog = page.getByRole('dialog', { name: 'Targets of clawrouter/smart' })
  await dialog.getByRole('combobox', { name: 'Target 2' }).focus()
  await page.keyboard.press('Alt+ArrowUp')
  await expect(dialog.getByRole('combobox', { name: 'Target 1' })).toHaveValue('anthropic/claude-sonnet-4-6')
  const saved = page.waitForRequest(request => request.method() === 'PUT')
  await dialog.getByRole('button', { name: /^Save route/ }).click()
  expect((await saved).postDataJSON().targets.map((target: { order: number }) => target.order)).toEqual([0, 1, 2])
})

test('a session is unpinned', async ({ page }) => {
  await page.goto('/admin/sessions')
  await ready(page, 'Sessions')
  await page.getByRole('button', { name: 'Unpin ses_77b1e0c2d3' }).click()
  await expect(page.getByText('2 pins')).toBeVisible()
})

test('every total leads to the requests behind it', async ({ page }) => {
  await page.goto('/admin/usage')
  await ready(page, 'Usage and budgets')
  await expect(page.getByRole('figure').or(page.getByRole('img', { name: /Cost per day/ }))).toBeVisible()
  await page.getByRole('link', { name: 'team-research' }).first().click()
  await expect(page).toHaveURL(/\/admin\/requests\?policy=team-research/)
  await ready(page, 'Requests')
})

test('settings are saved, the catalog is exported', async ({ page }) => {
  await page.goto('/admin/settings')
  await ready(page, 'Settings')
  await page.getByLabel('Name shown at the top').fill('acme')
  await page.getByRole('button', { name: /^Save settings/ }).click()
  await expect(page.getByText('Settings saved, revision 2.')).toBeVisible()
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export catalog' }).click()
  expect((await download).suggestedFilename()).toBe('clawrouter-catalog.json')
})
