/** Audit log: who changed what, with the masked diff. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { listAudit } from '../../api/govern.ts'
import { useResource } from '../../api/resource.ts'
import type { AuditRow } from '../../api/schema/govern.ts'
import { clock, dateTime, day } from '../../lib/format.ts'
import { plural } from '../../lib/text.ts'
import { useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Diff } from '../../ui/diff.tsx'
import { download } from '../../ui/download.ts'
import { EmptyFiltered, Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { SearchBox } from '../../ui/search.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { Pager } from '../shared/pager.tsx'

export default function Audit(): JSX.Element {
  const query = useQuery()
  const q = query.get('q')
  const cursor = query.get('cursor')
  const [open, setOpen] = useState<AuditRow | null>(null)
  const audit = useResource(`audit?${q}&${cursor}`, signal => listAudit({ q, cursor }, signal))
  return (
    <Page
      title="Audit log"
      text="Every change, sign-in, test and export. Entries are never deleted by hand; secrets are masked."
      actions={
        <Button
          disabled={!audit.data?.items.length}
          why="Nothing to export"
          onClick={() =>
            download(
              'audit.jsonl',
              'application/jsonl',
              (audit.data?.items ?? []).map(row => JSON.stringify(row)).join('\n'),
            )
          }
        >
          Export JSONL
        </Button>
      }
    >
      <div class="filters">
        <SearchBox
          label="Filter the audit log"
          value={q}
          onChange={value => query.set({ q: value, cursor: null })}
          placeholder="Actor, action or object"
        />
      </div>
      <Panel flush>
        <Loaded of={audit} what="The audit log" lines={10}>
          {data =>
            data.items.length === 0 ? (
              q ? (
                <EmptyFiltered what="entries" filter={`“${q}”`} onClear={() => query.set({ q: null })} />
              ) : (
                <Empty title="Nothing was changed yet">The first save, sign-in or key appears here.</Empty>
              )
            ) : (
              <>
                <Table
                  label="Audit log"
                  rows={data.items}
                  rowKey={row => String(row.id)}
                  columns={[
                    {
                      id: 'at',
                      head: 'Time, UTC',
                      cell: row => (
                        <>
                          <span class="num">{clock(row.at)}</span>
                          <small>{day(row.at)}</small>
                        </>
                      ),
                    },
                    { id: 'actor', head: 'Actor', cell: row => row.actor },
                    { id: 'action', head: 'Action', cell: row => <span class="mono small">{row.action}</span> },
                    {
                      id: 'object',
                      head: 'Object',
                      wide: true,
                      cell: row => (
                        <>
                          <span class="mono small">{row.object ?? '–'}</span>
                          {row.revision != null && <small>revision {row.revision}</small>}
                        </>
                      ),
                    },
                    {
                      id: 'result',
                      head: 'Result',
                      cell: row => <Chip tone={row.result === 'ok' ? 'ok' : 'bad'}>{row.result}</Chip>,
                    },
                    {
                      id: 'diff',
                      head: 'Change',
                      cell: row =>
                        row.diff && row.diff.length > 0 ? (
                          <button type="button" class="link-btn" onClick={() => setOpen(row)}>
                            {plural(row.diff.length, 'field')}
                            <span class="visually-hidden"> of {row.object}</span>
                          </button>
                        ) : (
                          <span class="muted">–</span>
                        ),
                    },
                  ]}
                />
                <div class="panel-foot">
                  <span>{plural(data.total?.value ?? data.items.length, 'entry', 'entries')}</span>
                  <span class="pager">
                    <Pager cursor={cursor} next={data.next} onGo={cursor => query.set({ cursor })} />
                  </span>
                </div>
              </>
            )
          }
        </Loaded>
      </Panel>
      {open && (
        <Dialog wide title={`${open.action} ${open.object ?? ''}`} onClose={() => setOpen(null)}>
          <p class="muted">
            {dateTime(open.at)} · {open.actor} {open.request_id && `· ${open.request_id}`}
          </p>
          <Diff changes={open.diff ?? []} />
        </Dialog>
      )}
    </Page>
  )
}
