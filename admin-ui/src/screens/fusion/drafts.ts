/** Drafts beside each other and inside the message to the synthesizer. Pure. */
import type { TestCall } from './test-run.ts'

/** The letter under which judge and synthesizer know an adviser: slot `A2` is draft B. */
export function letter(slot: string): string {
  return String.fromCharCode(64 + Math.min(26, Number(slot.slice(1)) || 1))
}

/** How the router marks where it cut a text. */
const cutMark = '[… cut …]'

export interface Section {
  /** `draft A`, `draft A (openai/gpt-4.1-mini)`, `notes`. */
  name: string
  /** Characters of it that the synthesizer read. */
  chars: number
  cut: boolean
  /** Characters that were left out; null when the whole text is not known. */
  left: number | null
}

/** What stands between the fences of the injected message, with what was left out of each draft. */
export function sections(message: string, calls: readonly TestCall[]): Section[] {
  const fenced = message.matchAll(/^===== begin (.+) (\w{8}) =====\n([\s\S]*?)\n===== end \1 \2 =====$/gm)
  return [...fenced].map(([, name = '', , text = '']) => {
    const cut = text.endsWith(cutMark)
    const chars = [...text].length - (cut ? cutMark.length : 0)
    const draft = calls.find(call => call.stage === 'adviser' && name.split(' ')[1] === letter(call.slot))
    return { name, chars, cut, left: cut ? (draft ? Math.max(0, [...draft.text].length - chars) : null) : 0 }
  })
}

export interface Run {
  /** In both, only in the first, only in the second. */
  kind: 'same' | 'before' | 'after'
  text: string
}

/** Words of each text that are compared; what is beyond counts as different. */
const maxWords = 1500

/** The longest common words of two texts, and what each has besides. */
export function wordDiff(before: string, after: string): Run[] {
  const words = (text: string): string[] => text.match(/\s*\S+/g) ?? []
  const [a, b] = [words(before), words(after)]
  const [n, m] = [Math.min(a.length, maxWords), Math.min(b.length, maxWords)]
  const same = (i: number, j: number) => a[i]?.trim() === b[j]?.trim()
  // common[i * (m + 1) + j]: common words of a from i and b from j on.
  const common = new Uint16Array((n + 1) * (m + 1))
  const at = (i: number, j: number) => common[i * (m + 1) + j] ?? 0
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--)
      common[i * (m + 1) + j] = same(i, j) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  const runs: Run[] = []
  const add = (kind: Run['kind'], text: string) => {
    const last = runs.at(-1)
    if (last?.kind === kind) last.text += text
    else if (text) runs.push({ kind, text })
  }
  let [i, j] = [0, 0]
  while (i < n || j < m) {
    if (i < n && j < m && same(i, j)) {
      add('same', b[j++] ?? '')
      i++
    } else if (j >= m || (i < n && at(i + 1, j) >= at(i, j + 1))) add('before', a[i++] ?? '')
    else add('after', b[j++] ?? '')
  }
  add('before', a.slice(n).join(''))
  add('after', b.slice(m).join(''))
  return runs
}
