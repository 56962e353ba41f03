import { existsSync } from 'node:fs'
import { defineConfig, devices } from '@playwright/test'

const browser = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const port = Number(process.env['MOCK_PORT'] ?? 4174)

export default defineConfig({
  testDir: 'e2e',
  timeout: 60_000,
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  reporter: [['list', { printSteps: false }]],
  expect: { timeout: 10_000 },
  use: {
    ...devices['Desktop Chrome'],
    baseURL: `http://127.0.0.1:${port}`,
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    contextOptions: { reducedMotion: 'reduce' },
    launchOptions: {
      ...(existsSync(browser) ? { executablePath: browser } : {}),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
      ],
    },
  },
  webServer: {
    command: 'node e2e/mock/server.ts',
    url: `http://127.0.0.1:${port}/admin`,
    reuseExistingServer: false,
    env: { PORT: String(port) },
  },
})
