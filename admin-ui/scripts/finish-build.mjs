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
    ...['/admin/index.html', '/admin/build.json', '/admin/theme.js', '/admin/icon.svg'].map(
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

// The manifest is for the size gate, not for the world.
renameSync(new URL('admin/.vite/manifest.json', dist), new URL('../.manifest.json', dist))
rmSync(new URL('admin/.vite', dist), { recursive: true })
