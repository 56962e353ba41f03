/** Calls over time: a bar from send to last token, a notch at the first token. Works while the calls still run. */
import type { ComponentChildren, JSX } from 'preact'
import { duration } from '../lib/format.ts'
import { rulerTicks, share } from './scale.ts'

export type WaterfallRole = 'router' | 'adviser' | 'judge' | 'synthesizer' | 'primary' | 'fallback'

/** Fixed everywhere: flow, waterfall, attempts strip, legend. */
export const roleFill: Record<WaterfallRole, string> = {
  router: 'f0',
  adviser: 'f1',
  judge: 'f6',
  synthesizer: 'f3',
  primary: 'f1',
  fallback: 'f2',
}

export interface WaterfallRow {
  id: string
  role: WaterfallRole
  name: string
  /** After the name, muted. */
  note?: string
  startMs: number
  firstTokenMs?: number | null
  /** Null while it runs. */
  endMs: number | null
  failed: boolean
  /** Right column, first line. */
  end: ComponentChildren
  /** Right column, second line. */
  endNote?: ComponentChildren
}

interface WaterfallProps {
  rows: readonly WaterfallRow[]
  /** End of the ruler. */
  totalMs: number
  label: string
  selected?: string | null
  onSelect?: (id: string) => void
}

function sentence(row: WaterfallRow): string {
  const first = row.firstTokenMs == null ? '' : `, first token at ${duration(row.firstTokenMs)}`
  const end = row.endMs === null ? 'still running' : `ended at ${duration(row.endMs)}`
  return `started at ${duration(row.startMs)}${first}, ${end}${row.failed ? ', failed' : ''}`
}

export function Waterfall({ rows, totalMs, label, selected, onSelect }: WaterfallProps): JSX.Element {
  const ticks = rulerTicks(totalMs)
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step || !(event.currentTarget instanceof HTMLElement)) return
    const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>('button')]
    const next = buttons[buttons.indexOf(document.activeElement as HTMLElement) + step]
    if (!next) return
    event.preventDefault()
    next.focus()
  }
  return (
    <div role="group" aria-label={label} onKeyDown={onKeyDown}>
      <div class="wf-row wf-head" aria-hidden="true">
        <span>Span</span>
        <div class="wf-ruler">
          {ticks.map((tick, index) => (
            <span key={tick} style={{ left: `${share(tick, totalMs)}%` }}>
              {index === 0
                ? '0 s'
                : index === ticks.length - 1
                  ? duration(tick)
                  : duration(tick).replace(/\.?0+ s$/, ' s')}
            </span>
          ))}
        </div>
        <span class="wf-end">Tokens · cost</span>
      </div>
      {rows.map(row => {
        const inner = (
          <>
            <span class="wf-name">
              <i class={`swatch ${roleFill[row.role]}`} aria-hidden="true" />
              <span class="clip">
                {row.name} {row.note && <small>{row.note}</small>}
              </span>
            </span>
            <span class="wf-track">
              <i
                class={`wf-bar ${roleFill[row.role]}${row.failed ? ' failed' : ''}`}
                style={{
                  left: `${share(row.startMs, totalMs)}%`,
                  width: `${share((row.endMs ?? totalMs) - row.startMs, totalMs)}%`,
                }}
              />
              {row.firstTokenMs != null && (
                <i class="wf-notch" style={{ left: `${share(row.firstTokenMs, totalMs)}%` }} />
              )}
              <span class="visually-hidden">{sentence(row)}</span>
            </span>
            <span class="wf-end">
              {row.end}
              {row.endNote != null && <small>{row.endNote}</small>}
            </span>
          </>
        )
        return onSelect ? (
          <button
            key={row.id}
            type="button"
            class="wf-row"
            aria-pressed={row.id === selected}
            onClick={() => onSelect(row.id)}
          >
            {inner}
          </button>
        ) : (
          <div key={row.id} class="wf-row">
            {inner}
          </div>
        )
      })}
    </div>
  )
}
