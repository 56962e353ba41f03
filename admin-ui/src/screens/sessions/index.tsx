/** Session pins: which conversation stays on which model, and how to let it go. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { listKeys } from '../../api/keys.ts'
import { deleteSession, listSessions } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import { can } from '../../api/session.ts'
import { dateTime } from '../../lib/format.ts'
import { middle, plural } from '../../lib/text.ts'
import { adminUrl, useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Code } from '../../ui/code.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { useStartModel } from '../shared/start-model.ts'

const snippet = (model: string) =>
  `curl ${location.origin}/v1/chat/completions \\\n  -H "Authorization: Bearer YOUR_KEY" -H "x-session-id: my-conversation" \\\n  -H "Content-Type: application/json" \\\n  -d '{"model":"${model}","messages":[{"role":"user","content":"Hello."}]}'`

/** A session id without the tenant it is filed under. */
export function ownName(session: string, tenant: string | null | undefined): string {
  return tenant && session.startsWith(`${tenant}/`) ? session.slice(tenant.length + 1) : session
}

export default function Sessions(): JSX.Element {
  const query = useQuery()
  const model = useStartModel()
  const cursor = query.get('cursor')
  const keys = useResource('keys?', signal => listKeys({}, signal))
  const keyName = (kid: string) => keys.data?.items.find(key => key.kid === kid)?.label ?? kid
  const sessions = useResource(`sessions?${cursor}`, signal => listSessions({ cursor }, signal), { pollMs: 15_000 })
  const [busy, setBusy] = useState<string | null>(null)
  const unpin = async (id: string) => {
    setBusy(id)
    try {
      await deleteSession(id)
      toast('Unpinned. The next turn is routed anew.')
      await sessions.refresh()
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(null)
    }
  }
  return (
    <Page
      title="Sessions"
      text="A conversation that sends a session id stays on the model and credential that answered it, so that prompt caches hit and answers stay consistent."
    >
      <Panel flush>
        <Loaded of={sessions} what="Sessions">
          {data =>
            data.items.length === 0 ? (
              <Empty title="No conversation is pinned" action={<Code text={snippet(model)} />}>
                Clients keep a model for a conversation by sending a session id. Pins end after a while of silence.
              </Empty>
            ) : (
              <>
                <Table
                  label="Sessions"
                  rows={data.items}
                  rowKey={row => row.session}
                  columns={[
                    {
                      id: 'session',
                      head: 'Session',
                      cell: row => (
                        <>
                          <a
                            class="row-link mono"
                            title={row.session}
                            href={adminUrl('/requests', { session: row.session })}
                          >
                            {middle(ownName(row.session, row.tenant), 22)}
                          </a>
                          <small>{row.tenant && `key ${keyName(row.tenant)}`}</small>
                        </>
                      ),
                    },
                    {
                      id: 'target',
                      head: 'Pinned to',
                      wide: true,
                      cell: row => (
                        <>
                          <span class="mono small">{row.target}</span>
                          <small>
                            {row.credential && `credential ${row.credential}`}
                            {row.route && ` · route ${row.route}`}
                          </small>
                        </>
                      ),
                    },
                    {
                      id: 'turns',
                      head: 'Turns',
                      number: true,
                      named: true,
                      sort: row => row.turns ?? 0,
                      cell: row => row.turns ?? '–',
                    },
                    {
                      id: 'since',
                      head: 'Since',
                      named: true,
                      sort: row => row.created_at,
                      cell: row => <Ago at={row.created_at} />,
                    },
                    {
                      id: 'used',
                      head: 'Last used',
                      named: true,
                      sort: row => row.last_used_at ?? '',
                      cell: row => <Ago at={row.last_used_at} />,
                    },
                    {
                      id: 'expires',
                      head: 'Expires',
                      named: true,
                      cell: row =>
                        row.expires_at ? (
                          <span title={dateTime(row.expires_at)}>
                            <Ago at={row.expires_at} />
                          </span>
                        ) : (
                          '–'
                        ),
                    },
                    {
                      id: 'unpin',
                      head: <span class="visually-hidden">Actions</span>,
                      cell: row =>
                        can('sessions.delete') && (
                          <Button small busy={busy === row.session} onClick={() => void unpin(row.session)}>
                            Unpin<span class="visually-hidden"> {row.session}</span>
                          </Button>
                        ),
                    },
                  ]}
                />
                <div class="panel-foot">
                  <span>{plural(data.total?.value ?? data.items.length, 'pin')}</span>
                  <span class="pager">
                    {data.next && (
                      <Button small onClick={() => query.set({ cursor: data.next })}>
                        Next page
                      </Button>
                    )}
                  </span>
                </div>
              </>
            )
          }
        </Loaded>
      </Panel>
    </Page>
  )
}
