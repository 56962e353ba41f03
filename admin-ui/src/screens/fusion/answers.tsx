/** What the models of a fusion wrote: drafts as cards, two of them compared, and what the synthesizer was given. */
import type { ComponentChildren, JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { count, duration, money } from '../../lib/format.ts'
import { useShortcuts } from '../../lib/shortcuts.ts'
import { sentence } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Code } from '../../ui/code.tsx'
import { Checkbox } from '../../ui/field.tsx'
import { Markdown } from '../../ui/markdown.tsx'
import { letter, sections, wordDiff } from './drafts.ts'
import type { TestCall } from './test-run.ts'

interface CardProps {
  call: TestCall
  title: string
  /** Hides who wrote it and what it took. */
  blind?: boolean
  /** Where the text would stand. */
  missing?: string | undefined
  /** Shown in full height. */
  tall?: boolean
  /** For the keys that act on the card in focus. */
  id?: string
  foot?: ComponentChildren
}

export function Card({ call, title, blind = false, missing, tall = false, id, foot }: CardProps): JSX.Element {
  return (
    <article class="card" data-answer={id}>
      <div class="row-wrap">
        <h3>{title}</h3>
        {call.endMs === null ? (
          <Chip tone="info">running</Chip>
        ) : call.ok ? (
          !blind && (
            <>
              <Chip tone="ok">{duration(call.endMs - call.startMs)}</Chip>
              <span class="small muted">{money(call.costUsd)}</span>
            </>
          )
        ) : (
          <Chip tone="bad">{call.failure ?? 'failed'}</Chip>
        )}
      </div>
      <span class="mono small muted clip">{blind ? 'model hidden' : call.model}</span>
      <div
        class={`card-text${tall ? ' card-tall' : ''}`}
        tabIndex={0}
        role="region"
        aria-label={`Text of ${title.toLowerCase()}`}
      >
        {call.text ? (
          <Markdown text={call.text} />
        ) : (
          <span class="muted">{call.ok ? (missing ?? 'No text yet.') : 'Left out of the synthesis.'}</span>
        )}
      </div>
      {foot}
    </article>
  )
}

interface AdvisersProps {
  calls: readonly TestCall[]
  blind: boolean
  onBlind: (blind: boolean) => void
  missing?: string
}

export function Advisers({ calls, blind, onBlind, missing }: AdvisersProps): JSX.Element {
  const [alone, setAlone] = useState<string | null>(null)
  const [picked, setPicked] = useState<string[]>([])
  const all = calls.filter(call => call.stage === 'adviser')
  const written = all.filter(call => call.text)
  const name = (slot: string) => `Answer ${letter(slot)}`
  const inFocus = () => document.activeElement?.closest('[data-answer]')?.getAttribute('data-answer')
  const focus = () => setAlone(alone === null ? (inFocus() ?? all[0]?.slot ?? null) : null)
  const pick = (slot: string) =>
    setPicked(picked.includes(slot) ? picked.filter(item => item !== slot) : [...picked.slice(-1), slot])
  useShortcuts([
    { keys: 'f', text: 'One answer alone, or all', dialog: true, run: focus },
    {
      keys: 'x',
      text: 'Pick the answer for a comparison',
      dialog: true,
      run: () => {
        const slot = inFocus()
        if (slot && written.some(call => call.slot === slot)) pick(slot)
      },
    },
  ])
  const [before, after] = picked.toSorted().map(slot => written.find(call => call.slot === slot))
  const words = useMemo(() => (before && after ? wordDiff(before.text, after.text) : []), [before?.text, after?.text])
  if (all.length === 0) return <p class="muted">No adviser was called.</p>
  return (
    <div class="stack-8">
      <div class="row-wrap">
        <Checkbox checked={blind} onChange={onBlind}>
          Blind
        </Checkbox>
        {written.length > 0 && (
          <Button small pressed={alone !== null} onClick={focus}>
            One at a time <kbd>F</kbd>
          </Button>
        )}
        {written.length > 1 && <span class="small muted">Pick two answers to compare their words.</span>}
      </div>
      <div class={alone ? 'stack-8' : 'grid-cards'}>
        {all
          .filter(call => alone === null || call.slot === alone)
          .map(call => (
            <Card
              key={call.slot}
              id={call.slot}
              call={call}
              title={name(call.slot)}
              blind={blind}
              missing={missing}
              tall={alone !== null}
              foot={
                call.text &&
                written.length > 1 && (
                  <Checkbox checked={picked.includes(call.slot)} onChange={() => pick(call.slot)}>
                    Compare
                  </Checkbox>
                )
              }
            />
          ))}
      </div>
      {alone && all.length > 1 && (
        <div class="row-wrap">
          {all.map(call => (
            <Button key={call.slot} small pressed={call.slot === alone} onClick={() => setAlone(call.slot)}>
              {name(call.slot)}
            </Button>
          ))}
        </div>
      )}
      {before && after && (
        <section class="card" aria-label="Comparison">
          <h3>
            {name(before.slot)} and {name(after.slot)}
          </h3>
          <p class="words">
            {words.map((run, index) =>
              run.kind === 'same' ? (
                run.text
              ) : run.kind === 'before' ? (
                <del key={index}>{run.text}</del>
              ) : (
                <ins key={index}>{run.text}</ins>
              ),
            )}
          </p>
          <p class="small muted">
            Struck through: only in {name(before.slot)}. Underlined: only in {name(after.slot)}.
          </p>
        </section>
      )}
    </div>
  )
}

/** The message with the drafts exactly as the synthesizer read it, and what was cut. */
export function Injected({ message, calls }: { message: string; calls: readonly TestCall[] }): JSX.Element {
  return (
    <div class="stack-8">
      <h3>Injected before the last user message</h3>
      <p class="small muted">
        {sections(message, calls)
          .map(
            item =>
              `${sentence(item.name)}: ${count(item.chars)} characters, ${
                item.cut ? `cut there${item.left === null ? '' : `, ${count(item.left)} left out`}` : 'whole'
              }`,
          )
          .join(' · ')}
      </p>
      <Code text={message} wrap label="The message that the synthesizer received" />
    </div>
  )
}
