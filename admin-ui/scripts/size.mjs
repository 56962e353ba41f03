// The size gate: gzip bytes of what the browser loads, read from the build's manifest. Limits are in KB of 1000 bytes.
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const limits = { 'initial JS': 23, 'largest other chunk': 20, 'all JS': 119, CSS: 15, 'fonts on first view': 60 }

const dist = new URL('../dist/admin/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('../../.manifest.json', dist), 'utf8'))
const gz = file => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length / 1000

const initial = new Set()
const visit = key => {
  const chunk = manifest[key]
  if (!chunk || initial.has(chunk.file)) return
  initial.add(chunk.file)
  for (const next of chunk.imports ?? []) visit(next)
}
visit('index.html')

const files = readdirSync(new URL('assets/', dist)).map(name => `assets/${name}`)
const sum = list => list.reduce((total, file) => total + gz(file), 0)
const js = files.filter(file => file.endsWith('.js'))
const later = js.filter(file => !initial.has(file))
const sizes = {
  'initial JS': sum([...initial]) + gz('theme.js'),
  'largest other chunk': Math.max(0, ...later.map(gz)),
  'all JS': sum(js) + gz('theme.js'),
  CSS: sum(files.filter(file => file.endsWith('.css'))),
  'fonts on first view': files
    .filter(file => file.endsWith('.woff2'))
    .reduce((total, file) => total + readFileSync(new URL(file, dist)).length / 1000, 0),
}
let failed = false
for (const [name, limit] of Object.entries(limits)) {
  const size = sizes[name]
  const over = size > limit
  failed ||= over
  console.log(`${over ? 'FAIL' : 'ok  '} ${name.padEnd(20)} ${size.toFixed(1).padStart(6)} KB of ${limit}`)
}
for (const file of later.sort((a, b) => gz(b) - gz(a)).slice(0, 5))
  console.log(`       ${file} ${gz(file).toFixed(1)} KB`)
process.exit(failed ? 1 : 0)
