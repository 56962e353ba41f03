/** What a request said and was answered, where its policy keeps it. Nothing is read before somebody asks: each reading is audited. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { deleteContent, readContent } from '../../api/operate.ts'
import type { Content, ContentSide, Trace } from '../../api/schema/operate.ts'
import { can } from '../../api/session.ts'
import { useWork } from '../../api/work.ts'
import { bytes, dateTime } from '../../lib/format.ts'
import { Button } from '../../ui/button.tsx'
import { Code } from '../../ui/code.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Empty, Skeleton } from '../../ui/states.tsx'
import { Switch } from '../../ui/switch.tsx'
import { toast } from '../../ui/toast.tsx'
import type { Body } from '../shared/hand-over.ts'
import { answered, asked, beginning, type Said } from './conversation.ts'
import { RunAgain } from './drafts.tsx'

/** What the tab remembers while another tab is open. */
export type ContentState =
  | { state: 'closed' | 'reading' | 'gone' }
  | { state: 'failed'; error: ApiError }
  | { state: 'open'; content: Content }

/** Characters of a side that are shown at first. */
const firstChars = 64 * 1024

function Side({
  title,
  side,
  read,
  raw,
}: {
  title: string
  side: ContentSide
  read: (body: string) => Said[] | null
  raw: boolean
}): JSX.Element {
  const [whole, setWhole] = useState(false)
  const said = (raw ? null : read(side.text)) ?? [{ role: '', text: side.text }]
  const { shown, left } = beginning(said, whole ? Number.POSITIVE_INFINITY : firstChars)
  return (
    <section class="stack-8" aria-label={title}>
      <h3>
        {title} <span class="small muted">{bytes(side.bytes)}</span>
      </h3>
      {side.text === '' && <p class="muted">Nothing.</p>}
      {shown.map((item, index) => (
        <div class="turn" key={index}>
          {item.role && <span class="turn-role">{item.role}</span>}
          {item.text && <Code wrap text={item.text} label={`${title}, ${item.role || 'as sent'}`} />}
        </div>
      ))}
      {left > 0 && (
        <div>
          <Button small onClick={() => setWhole(true)}>
            Load the remaining {bytes(left)}
          </Button>
        </div>
      )}
      {side.truncated && (
        <p class="small muted">
          The router kept the first {bytes(side.text.length)} of {bytes(side.bytes)}; the rest was never stored.
        </p>
      )}
    </section>
  )
}

function Delete({ id, onDone, onClose }: { id: string; onDone: () => void; onClose: () => void }): JSX.Element {
  const { busy, error, run } = useWork()
  const remove = () =>
    run(async () => {
      await deleteContent(id)
      toast('The content is deleted.')
      onDone()
    })
  return (
    <Dialog
      title="Delete content"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" busy={busy} onClick={() => void remove()}>
            Delete content
          </Button>
        </>
      }
    >
      {error && <ErrorBox error={error} what="The content was not deleted" />}
      <p>
        The prompt and the answer of this request are deleted for everybody, and cannot be brought back. Its numbers,
        calls and decision stay. The deletion is written to the audit log.
      </p>
    </Dialog>
  )
}

export function ContentTab({
  trace,
  state,
  onState,
  body,
}: {
  trace: Trace
  state: ContentState
  onState: (next: ContentState) => void
  /** The request, when it is in hand. */
  body: Body | null
}): JSX.Element {
  const [raw, setRaw] = useState(false)
  const [deleting, setDeleting] = useState(false)
  const note = trace.content
  const again = <RunAgain trace={trace} body={body} />
  if (!note?.kept) {
    return (
      <Empty title={`Content was not kept (${note?.why ?? 'the policy keeps metadata only'})`} action={again}>
        Numbers, calls and decisions are complete; the prompt and the answer were never stored.
      </Empty>
    )
  }
  const end = note.expires_at ? dateTime(note.expires_at) : null
  const over = note.expires_at != null && Date.parse(note.expires_at) <= Date.now()
  if (over || state.state === 'gone') {
    return (
      <Empty title={over ? 'The content has expired' : 'The content was deleted'} action={again}>
        {over ? `It was kept until ${end}. ` : ''}Numbers, calls and decisions are complete.
      </Empty>
    )
  }
  if (!can('content.read'))
    return (
      <Empty title="The content is kept, but not for your role">
        Admins read it, and whoever's key sent the request.
      </Empty>
    )

  const read = async () => {
    onState({ state: 'reading' })
    try {
      onState({ state: 'open', content: await readContent(trace.request_id) })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      onState(error.reason === 'content_deleted' ? { state: 'gone' } : { state: 'failed', error })
    }
  }
  switch (state.state) {
    case 'closed':
      return (
        <Empty
          title="The prompt and the answer are kept, encrypted"
          action={<Button onClick={() => void read()}>Show content</Button>}
        >
          Showing them is written to the audit log
          {end && `; they are deleted on ${end}`}. Once shown, the prompt goes along to the playground and the
          inspector.
        </Empty>
      )
    case 'reading':
      return <Skeleton />
    case 'failed':
      return <ErrorBox error={state.error} what="The content could not be read" onRetry={() => void read()} />
    case 'open': {
      const { content } = state
      return (
        <div class="stack-16">
          <div class="row-wrap">
            <span class="grow">
              <Switch label="As it was sent" on={raw} onChange={setRaw} />
            </span>
            {again}
            {can('content.delete') && (
              <Button small kind="danger" onClick={() => setDeleting(true)}>
                Delete content
              </Button>
            )}
          </div>
          <p class="small muted">{end && `To be deleted on ${end}. `}This reading is in the audit log.</p>
          <Side title="Request" side={content.request} read={asked} raw={raw} />
          <Side title="Answer" side={content.response} read={answered} raw={raw} />
          {deleting && (
            <Delete
              id={trace.request_id}
              onClose={() => setDeleting(false)}
              onDone={() => {
                setDeleting(false)
                onState({ state: 'gone' })
              }}
            />
          )}
        </div>
      )
    }
  }
}
