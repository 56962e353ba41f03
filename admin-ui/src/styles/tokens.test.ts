/** Components speak in tokens: raw colours stand in tokens.css alone, and markup carries no HTML strings. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const src = join(import.meta.dirname, '../')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  file => /\.(css|tsx?)$/.test(file) && !file.includes('.test.'),
)

function offenders(pattern: RegExp, except: string[] = []): string[] {
  return files
    .filter(file => !except.includes(file))
    .flatMap(file =>
      readFileSync(src + file, 'utf8')
        .split('\n')
        .flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: ${line.trim()}`] : [])),
    )
}

describe('source', () => {
  it('names colours only in tokens.css', () => {
    expect(offenders(/#[0-9a-f]{3,8}\b(?![^<]*<\/)|\brgba?\(|\bhsla?\(/i, ['styles/tokens.css'])).toEqual([])
  })
  it('builds no HTML from text', () => {
    expect(offenders(/innerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML/)).toEqual([])
  })
  it('keeps files below 500 lines', () => {
    const long = files.filter(file => readFileSync(src + file, 'utf8').split('\n').length > 500)
    expect(long).toEqual([])
  })
})
