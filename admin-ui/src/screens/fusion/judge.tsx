/** The judge's notes as five lists, or as it wrote them. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { JudgeNotes } from '../../api/schema/fusion.ts'
import { Json } from '../../ui/code.tsx'
import { Switch } from '../../ui/switch.tsx'

export function JudgeView({ notes }: { notes: JudgeNotes }): JSX.Element {
  const [raw, setRaw] = useState(false)
  const lists: [string, JSX.Element[]][] = [
    ['Consensus', (notes.consensus ?? []).map(text => <>{text}</>)],
    [
      'Contradictions',
      (notes.contradictions ?? []).map(item => (
        <>
          {item.topic} {(item.stances ?? []).map(stance => `${stance.model}: ${stance.stance}`).join(' ')}
        </>
      )),
    ],
    [
      'Partial coverage',
      (notes.partial_coverage ?? []).map(item => (
        <>
          {item.point} <span class="muted">({item.models.join(', ')})</span>
        </>
      )),
    ],
    [
      'Unique insights',
      (notes.unique_insights ?? []).map(item => (
        <>
          {item.insight} <span class="muted">({item.model})</span>
        </>
      )),
    ],
    ['Blind spots', (notes.blind_spots ?? []).map(text => <>{text}</>)],
  ]
  return (
    <div class="stack-16">
      <Switch label="As JSON" on={raw} onChange={setRaw} />
      {raw ? (
        <Json value={notes} label="Notes of the judge" />
      ) : (
        <>
          {lists.map(([title, items]) => (
            <div class="stack-4" key={title}>
              <h3>{title}</h3>
              {items.length > 0 ? (
                <ul class="md stack-4">
                  {items.map((item, key) => (
                    <li key={key}>{item}</li>
                  ))}
                </ul>
              ) : (
                <p class="muted">None noted.</p>
              )}
            </div>
          ))}
          {typeof notes.best === 'string' && <p class="muted">Best draft: {notes.best}</p>}
        </>
      )}
    </div>
  )
}
