// After `vite build`: the header file for assets served without the Worker, and the stamp the page polls for new versions.
import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'

const dist = new URL('../dist/', import.meta.url)

/** Sent with every file under /admin/. The Worker sends the same on what it serves itself. */
export const securityHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
  'Strict-Transport-Security': 'max-age=31536000',
}

const lines = headers => Object.entries(headers).map(([name, value]) => `  ${name}: ${value}\n`)
writeFileSync(
  new URL('_headers', dist),
  [
    '/admin/*\n',
    ...lines(securityHeaders),
    '/admin/assets/*\n  Cache-Control: public, max-age=31536000, immutable\n',
    ...['/admin/index.html', '/admin/build.json', '/admin/sample.json', '/admin/theme.js', '/admin/icon.svg'].map(
      path => `${path}\n  Cache-Control: no-cache\n`,
    ),
  ].join(''),
)

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
const version = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version ?? null
writeFileSync(
  new URL('admin/build.json', dist),
  `${JSON.stringify({ commit: commit(), version, time: new Date().toISOString() })}\n`,
)

/** The tour's answers: the golden documents that Worker and page are tested with, by path. */
const fixture = name =>
  JSON.parse(readFileSync(new URL(`../../tests/fixtures/admin/${name}.json`, import.meta.url), 'utf8'))
const sample = {
  setup: 'setup-done',
  requests: 'requests',
  'requests/figures': 'request-figures',
  'requests/*': 'trace',
  'requests/*/content': 'content',
  'usage?group=day': 'usage-day',
  'usage?group=model': 'usage-model',
  'usage?group=provider': 'usage-provider',
  usage: 'usage-policy',
  'health/targets': 'health',
  candidates: 'candidates',
  'fusion-profiles': 'fusion-profiles',
  'fusion-profiles/*/draft': 'fusion-draft',
  'fusion-profiles/*/history': 'history',
  'fusion-profiles/*/listing': 'fusion-listing',
  'POST fusion-profiles/*/readiness': 'readiness',
  'POST fusion-profiles/*/reprice': 'fusion-repriced',
  'POST fusion-profiles/*/preview': 'fusion-preview',
  'POST policies/*/effect': 'policy-effect',
  'POST route/explain': 'explanation',
  keys: 'keys',
  'keys/*/history': 'key-history',
  policies: 'policies',
  providers: 'providers',
  models: 'models',
  'models/overview': 'models-overview',
  'models/*/policies': 'model-policies',
  pools: 'pools',
  routes: 'routes',
  settings: 'settings',
  sessions: 'sessions',
  audit: 'audit',
  export: 'export',
}
const answers = Object.entries(sample).map(([path, name]) => [path, fixture(name)])
writeFileSync(new URL('admin/sample.json', dist), JSON.stringify(Object.fromEntries(answers)))

// The manifest is for the size gate, not for the world.
renameSync(new URL('admin/.vite/manifest.json', dist), new URL('../.manifest.json', dist))
rmSync(new URL('admin/.vite', dist), { recursive: true })
