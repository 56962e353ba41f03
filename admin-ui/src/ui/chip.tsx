/** State as glyph and word, never as colour alone. */
import type { ComponentChildren, JSX } from 'preact'

export type Tone = 'ok' | 'warn' | 'bad' | 'info' | 'off'

const glyphs: Record<Tone, string> = { ok: '✓', warn: '!', bad: '×', info: 'i', off: '·' }

export function Chip({
  tone = 'off',
  children,
  title,
}: {
  tone?: Tone
  children: ComponentChildren
  title?: string
}): JSX.Element {
  return (
    <span class={`chip chip-${tone}`} title={title}>
      <span aria-hidden="true">{glyphs[tone]}</span>
      {children}
    </span>
  )
}

/** A1, J, S: the place of a call inside a fusion. */
export function Slot({ name }: { name: string }): JSX.Element {
  const stage = name.startsWith('A') ? 'adviser' : name === 'J' ? 'judge' : 'synthesizer'
  return <span class={`slot slot-${stage}`}>{name}</span>
}

export function Glyph({ tone }: { tone: Tone }): JSX.Element {
  return (
    <span class="glyph" aria-hidden="true">
      {glyphs[tone]}
    </span>
  )
}
