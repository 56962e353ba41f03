// The page runs under its strict policy: no report, no console error (the harness fails on either), and the built files hold no sink.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, ready, screens, test } from './harness.ts'

const dist = join(import.meta.dirname, '../dist/admin')

test('every screen runs without a report', async ({ page }) => {
  for (const { path, heading } of screens) {
    await page.goto(path)
    await ready(page, heading)
  }
  await page.goto('/admin/fusion?panel=test')
  await page.getByRole('button', { name: 'Retries' }).click()
  await page.getByRole('dialog').getByRole('button', { name: /^Run/ }).click()
  await expect(page.getByText('Measure the share of retried messages')).toBeVisible()
})

test('headers are strict on the page and on an asset', async ({ request }) => {
  const html = await request.get('/admin/')
  const asset = /\/admin\/assets\/index-[^"]+\.js/.exec(await html.text())?.[0] ?? ''
  for (const response of [html, await request.get('/admin/fusion'), await request.get(asset)]) {
    const headers = response.headers()
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
    expect(headers['content-security-policy']).toContain("require-trusted-types-for 'script'; trusted-types 'none'")
    expect(headers['content-security-policy']).not.toContain('unsafe')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['referrer-policy']).toBe('no-referrer')
    expect(headers['cross-origin-opener-policy']).toBe('same-origin')
  }
  expect((await request.get(asset)).headers()['cache-control']).toContain('immutable')
  expect(html.headers()['cache-control']).toBe('no-cache')
})

test('a write without the CSRF header is refused', async ({ request }) => {
  const refused = await request.post('/admin/api/keys', { data: { policy: 'default' } })
  expect(refused.status()).toBe(403)
})

test('the built files hold no inline code, no sink, no foreign address', () => {
  const html = readFileSync(join(dist, 'index.html'), 'utf8')
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/)
  expect(html).not.toMatch(/style=|<style|\son\w+=/)
  for (const name of readdirSync(join(dist, 'assets')).filter(file => file.endsWith('.js'))) {
    const text = readFileSync(join(dist, 'assets', name), 'utf8')
    expect(text, name).not.toMatch(/\beval\(|new Function\(|insertAdjacentHTML|document\.write/)
  }
})
