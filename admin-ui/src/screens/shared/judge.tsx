/** The judge's notes as five lists. */
import type { JSX } from 'preact'
import type { JudgeNotes } from '../../api/schema/fusion.ts'

function List({ title, items }: { title: string; items: JSX.Element[] }): JSX.Element | null {
  if (items.length === 0) return null
  return (
    <div class="stack-4">
      <h3>{title}</h3>
      <ul class="md stack-4">
        {items.map((item, key) => (
          <li key={key}>{item}</li>
        ))}
      </ul>
    </div>
  )
}

export function JudgeView({ notes }: { notes: JudgeNotes }): JSX.Element {
  return (
    <div class="stack-16">
      <List title="Consensus" items={(notes.consensus ?? []).map(text => <>{text}</>)} />
      <List
        title="Contradictions"
        items={(notes.contradictions ?? []).map(item => (
          <>
            {item.topic} {(item.stances ?? []).map(stance => `${stance.model}: ${stance.stance}`).join(' ')}
          </>
        ))}
      />
      <List
        title="Partial coverage"
        items={(notes.partial_coverage ?? []).map(item => (
          <>
            {item.point} <span class="muted">({item.models.join(', ')})</span>
          </>
        ))}
      />
      <List
        title="Unique insights"
        items={(notes.unique_insights ?? []).map(item => (
          <>
            {item.insight} <span class="muted">({item.model})</span>
          </>
        ))}
      />
      <List title="Blind spots" items={(notes.blind_spots ?? []).map(text => <>{text}</>)} />
      {typeof notes.best === 'string' && <p class="muted">Best draft: {notes.best}</p>}
    </div>
  )
}
