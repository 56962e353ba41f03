/** A table with row links, sorting and keyboard rows (`j`, `k`, Enter). Narrow containers stack each row. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { useShortcuts } from '../lib/shortcuts.ts'

export interface Column<T> {
  id: string
  head: ComponentChildren
  cell: (row: T) => ComponentChildren
  /** Right-aligned digits. */
  number?: boolean
  /** Takes a whole line when stacked. */
  wide?: boolean
  /** Shares its line when stacked, although it is the first. */
  narrow?: boolean
  /** Not shown when stacked. */
  skip?: boolean
  /** Its name is shown before the value when stacked. */
  named?: boolean
  /** Holds the row's menu: top right when stacked. */
  menu?: boolean
  /** Makes the head a sort button. */
  sort?: (row: T) => string | number
}

interface TableProps<T> {
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  rowKey: (row: T) => string
  /** Where a click on the row leads. The first cell should hold a real link for keyboards. */
  href?: (row: T) => string | undefined
  selected?: (row: T) => boolean
  foot?: ComponentChildren
  /** `j` and `k` move, Enter opens. One table per screen. */
  keyboard?: boolean
}

/** Rows in the order of a column; ties keep their order. */
export function sorted<T>(
  rows: readonly T[],
  by: ((row: T) => string | number) | undefined,
  descending: boolean,
): readonly T[] {
  if (!by) return rows
  return [...rows].sort((a, b) => {
    const [x, y] = [by(a), by(b)]
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y))
    return descending ? -order : order
  })
}

/** Rows that are drawn at once. A filter that lets hundreds in shows the first of them in its own frame, the others after it. */
const sliceRows = 60

function sliced<T>(rows: readonly T[]): readonly T[][] {
  return Array.from({ length: Math.ceil(rows.length / sliceRows) }, (_, number) =>
    rows.slice(number * sliceRows, (number + 1) * sliceRows),
  )
}

interface SliceProps<T> {
  number: number
  rows: readonly T[]
  children: (row: T, index: number) => JSX.Element
}

function Slice<T>({ number, rows, children }: SliceProps<T>): ComponentChildren {
  const [drawn, setDrawn] = useState(number === 0)
  useEffect(() => {
    const timer = setTimeout(() => setDrawn(true), number * 30)
    return () => clearTimeout(timer)
  }, [])
  return drawn && rows.map((row, index) => children(row, number * sliceRows + index))
}

export function Table<T>({
  label,
  columns,
  rows,
  rowKey,
  href,
  selected,
  foot,
  keyboard = false,
}: TableProps<T>): JSX.Element {
  const location = useLocation()
  const body = useRef<HTMLTableSectionElement>(null)
  const [order, setOrder] = useState<{ id: string; descending: boolean } | null>(null)
  const [cursor, setCursor] = useState(-1)
  const shown = sorted(rows, columns.find(column => column.id === order?.id)?.sort, order?.descending ?? false)

  const move = (by: number) => {
    const next = Math.max(0, Math.min(shown.length - 1, cursor + by))
    setCursor(next)
    body.current?.rows[next]?.scrollIntoView({ block: 'nearest' })
  }
  useShortcuts(
    keyboard && href
      ? [
          { keys: 'j', text: 'Next row', run: () => move(1) },
          { keys: 'k', text: 'Previous row', run: () => move(-1) },
          {
            keys: 'Enter',
            text: 'Open row',
            run: event => {
              const row = shown[cursor]
              const to = row && href(row)
              const onControl = event.target instanceof Element && event.target.closest('a,button')
              if (to && !onControl) location.route(to)
            },
          },
        ]
      : [],
  )

  const head = (column: Column<T>) => {
    if (!column.sort) return column.head
    const on = order?.id === column.id
    return (
      <button
        type="button"
        class="sort"
        onClick={() => setOrder({ id: column.id, descending: on ? !order.descending : Boolean(column.number) })}
      >
        {column.head}
        {on && <span aria-hidden="true"> {order.descending ? '↓' : '↑'}</span>}
      </button>
    )
  }
  return (
    <div class="table-wrap">
      <table class="table stack">
        <caption class="visually-hidden">{label}</caption>
        <thead>
          <tr>
            {columns.map(column => (
              <th
                key={column.id}
                scope="col"
                class={column.number ? 'num' : undefined}
                aria-sort={order?.id === column.id ? (order.descending ? 'descending' : 'ascending') : undefined}
              >
                {head(column)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {sliced(shown).map((slice, number) => (
            <Slice key={number} number={number} rows={slice}>
              {(row, index) => {
                const to = href?.(row)
                return (
                  <tr
                    key={rowKey(row)}
                    data-href={to}
                    data-active={index === cursor || undefined}
                    aria-selected={selected?.(row) || undefined}
                    onClick={event => {
                      const onControl =
                        event.target instanceof Element && event.target.closest('a,button,input,select,label')
                      if (to && !onControl && !getSelection()?.toString()) location.route(to)
                    }}
                  >
                    {columns.map((column, at) => {
                      const className =
                        [
                          column.number && 'num',
                          column.wide && 'wide',
                          column.menu && 'row-menu',
                          column.narrow && 'narrow',
                          column.skip && 'skip-stacked',
                        ]
                          .filter(Boolean)
                          .join(' ') || undefined
                      const name = column.named && typeof column.head === 'string' ? column.head : undefined
                      return at === 0 ? (
                        <th key={column.id} scope="row" class={className}>
                          {column.cell(row)}
                        </th>
                      ) : (
                        <td key={column.id} class={className} data-label={name}>
                          {column.cell(row)}
                        </td>
                      )
                    })}
                  </tr>
                )
              }}
            </Slice>
          ))}
        </tbody>
        {foot}
      </table>
    </div>
  )
}
