/** Calls over time: a bar from send to last token, a notch at the first token. Works while the calls still run. */
import { type ComponentChildren, Fragment, type JSX } from 'preact'
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
  /** Rows whose detail is shown below them. */
  open?: readonly string[]
  onToggle?: (id: string) => void
  detail?: (id: string) => ComponentChildren
}

/** A call that begins so soon after another's end waited for it. */
const handOverMs = 25

/** The chain of calls that decided how long it took: from the last end back, each begun when the one before it ended. None while calls run. */
export function criticalPath(rows: readonly WaterfallRow[]): Set<WaterfallRow> {
  const path = new Set<WaterfallRow>()
  if (rows.some(row => row.endMs === null)) return path
  const byEnd = rows.toSorted((a, b) => Number(b.endMs) - Number(a.endMs))
  let at = byEnd[0]
  while (at) {
    path.add(at)
    const wait = (row: WaterfallRow) => Number(at?.startMs) - Number(row.endMs)
    at = byEnd.find(row => !path.has(row) && wait(row) >= 0 && wait(row) <= handOverMs)
  }
  return path
}

function sentence(row: WaterfallRow, critical: boolean): string {
  const first = row.firstTokenMs == null ? '' : `, first token at ${duration(row.firstTokenMs)}`
  const end = row.endMs === null ? 'still running' : `ended at ${duration(row.endMs)}`
  return `started at ${duration(row.startMs)}${first}, ${end}${row.failed ? ', failed' : ''}${critical ? ', on the critical path' : ''}`
}

export function Waterfall({ rows, totalMs, label, open, onToggle, detail }: WaterfallProps): JSX.Element {
  const ticks = rulerTicks(totalMs)
  const path = criticalPath(rows)
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step || !(event.currentTarget instanceof HTMLElement)) return
    const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>('button.wf-row')]
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
        const shown = open?.includes(row.id)
        const critical = path.has(row)
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
                class={`wf-bar ${roleFill[row.role]}${row.failed ? ' failed' : ''}${critical ? ' critical' : ''}`}
                style={{
                  left: `${share(row.startMs, totalMs)}%`,
                  width: `${share((row.endMs ?? totalMs) - row.startMs, totalMs)}%`,
                }}
              />
              {row.firstTokenMs != null && (
                <i class="wf-notch" style={{ left: `${share(row.firstTokenMs, totalMs)}%` }} />
              )}
              <span class="visually-hidden">{sentence(row, critical)}</span>
            </span>
            <span class="wf-end">
              {row.end}
              {row.endNote != null && <small>{row.endNote}</small>}
            </span>
          </>
        )
        return onToggle ? (
          <Fragment key={row.id}>
            <button type="button" class="wf-row" aria-expanded={shown} onClick={() => onToggle(row.id)}>
              {inner}
            </button>
            {shown && detail?.(row.id)}
          </Fragment>
        ) : (
          <div key={row.id} class="wf-row">
            {inner}
          </div>
        )
      })}
    </div>
  )
}
