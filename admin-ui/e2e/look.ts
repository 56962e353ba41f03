// Takes pictures of screens for the eye: `node e2e/look.ts /admin/fusion [width] [theme] [scenario] [click…]` with the mock running.
import { mkdirSync } from 'node:fs'
import { chromium } from '@playwright/test'

const [path = '/admin', width = '1440', theme = 'light', scenario = '', ...clicks] = process.argv.slice(2)
const base = process.env['BASE'] ?? 'http://127.0.0.1:4174'
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
})
const narrow = Number(width) < 600
const context = await browser.newContext({
  viewport: { width: Number(width), height: narrow ? 844 : 900 },
  reducedMotion: 'reduce',
  colorScheme: theme === 'dark' ? 'dark' : 'light',
  deviceScaleFactor: narrow ? 2 : 1,
  hasTouch: narrow,
})
await context.addCookies([
  { name: 'mock', value: `look-${Date.now()}`, url: base },
  { name: 'scenario', value: scenario, url: base },
])
const page = await context.newPage()
page.on('console', message => {
  if (message.type() === 'error') console.log('console:', message.text())
})
page.on('pageerror', error => console.log('page error:', error.message))
await page.clock.setFixedTime(new Date('2026-11-20T14:02:20Z'))
await page.goto(base + path)
await page.waitForLoadState('networkidle')
for (const name of clicks) {
  if (name.startsWith('#')) {
    const [label = '', value = ''] = name.slice(1).split('=')
    await page.getByLabel(label).first().fill(value)
  } else {
    const scope = (await page.locator('dialog[open]').count()) ? page.locator('dialog[open]') : page.locator('body')
    await scope
      .getByRole('button', { name })
      .or(scope.getByRole('tab', { name }))
      .or(scope.getByRole('menuitem', { name }))
      .first()
      .click({ timeout: 3000 })
  }
  await page.waitForTimeout(900)
}
await page.waitForTimeout(300)
mkdirSync('test-results/shots', { recursive: true })
const file = `test-results/shots/${path.replace(/^\/admin\/?/, '').replace(/\W+/g, '-') || 'home'}-${width}-${theme}${scenario && `-${scenario}`}${clicks.length ? `-${clicks.at(-1)?.replace(/\W+/g, '').slice(0, 12)}` : ''}.png`
const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
await page.screenshot({ path: file, fullPage: clicks.length === 0 })
console.log(file, overflow > 0 ? `OVERFLOWS by ${overflow}` : '')
await browser.close()
