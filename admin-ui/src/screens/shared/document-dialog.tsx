/** Any catalog document as JSON: edit, save against its revision, history, rollback. For what has no form of its own. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { documentHistory, readDocument, rollbackDocument, saveDocument } from '../../api/documents.ts'
import { useResource } from '../../api/resource.ts'
import type { Stored } from '../../api/schema/common.ts'
import type { Collection, DocumentOf } from '../../api/schema/documents.ts'
import { can } from '../../api/session.ts'
import { useWork } from '../../api/work.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { diffOf } from '../../ui/diff.tsx'
import { TextInput } from '../../ui/field.tsx'
import { ErrorBox, Loaded } from '../../ui/loaded.tsx'
import { TabPanel, Tabs } from '../../ui/tabs.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { HistoryList } from './history.tsx'
import { Stale } from './stale.tsx'

interface DocumentDialogProps {
  collection: Exclude<Collection, 'settings'>
  id: string
  onClose: () => void
  onSaved: () => void
}

function parse(text: string): { value: unknown } | { problem: string } {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : 'Not JSON.' }
  }
}

type Loose = DocumentOf<Exclude<Collection, 'settings'>>

export function DocumentDialog({ collection, id, onClose, onSaved }: DocumentDialogProps): JSX.Element {
  const stored = useResource(
    `document/${collection}/${id}`,
    signal => readDocument(collection, id, signal) as Promise<Stored<Loose>>,
  )
  const history = useResource(`history/${collection}/${id}`, signal => documentHistory(collection, id, signal))
  const [tab, setTab] = useState('document')
  const [text, setText] = useState<string | null>(null)
  const { busy, error, run, forgetError } = useWork()
  const [restoring, setRestoring] = useState<number | null>(null)
  const write = can('documents.write')

  const original = stored.data ? JSON.stringify(stored.data.document, null, 2) : ''
  const shown = text ?? original
  const parsed = parse(shown)
  const changed =
    stored.data !== undefined && 'value' in parsed && diffOf(stored.data.document, parsed.value).length > 0

  const save = async (revision: number) => {
    if (!('value' in parsed)) return
    await run(async () => {
      const saved = await saveDocument(collection, parsed.value as Loose, revision, id)
      stored.put(saved as Stored<Loose>)
      setText(null)
      toast(`${collection}/${id} saved, revision ${saved.revision}.`)
      onSaved()
      onClose()
    })
  }
  const restore = async (revision: number) => {
    setRestoring(revision)
    try {
      const saved = await rollbackDocument(collection, id, revision)
      toast(`Revision ${revision} restored as revision ${saved.revision}.`)
      onSaved()
      onClose()
    } catch (failure) {
      toastError(failure)
    } finally {
      setRestoring(null)
    }
  }
  return (
    <Dialog
      wide
      title={<span class="mono">{id}</span>}
      onClose={onClose}
      foot={
        write && tab === 'document' ? (
          <>
            <span class="small muted">
              {stored.data && (stored.data.revision === 0 ? 'Bundled, unchanged' : `Revision ${stored.data.revision}`)}
            </span>
            <Button onClick={onClose}>Cancel</Button>
            <Button
              kind="primary"
              busy={busy}
              disabled={!changed}
              why="Nothing changed"
              onClick={() => void save(stored.data?.revision ?? 0)}
            >
              Save
            </Button>
          </>
        ) : undefined
      }
    >
      <Tabs
        name="document"
        label="View"
        tabs={[
          { id: 'document', text: 'Document' },
          { id: 'history', text: 'History' },
        ]}
        active={tab}
        onChange={setTab}
      />
      <TabPanel name="document" id={tab}>
        {tab === 'document' ? (
          <Loaded of={stored} what="The document">
            {() => (
              <div class="stack-16">
                {error?.code === 'revision_mismatch' && 'value' in parsed ? (
                  <Stale
                    error={error}
                    mine={parsed.value}
                    onKeepMine={revision => void save(revision)}
                    onTakeTheirs={theirs => {
                      stored.put(theirs as Stored<Loose>)
                      setText(null)
                      forgetError()
                    }}
                  />
                ) : (
                  error && <ErrorBox error={error} what="Not saved" />
                )}
                <TextInput
                  label="Document (JSON)"
                  rows={18}
                  mono
                  value={shown}
                  readOnly={!write}
                  onInput={setText}
                  error={'problem' in parsed ? parsed.problem : null}
                />
              </div>
            )}
          </Loaded>
        ) : (
          <Loaded of={history} what="The history">
            {data => (
              <HistoryList
                items={data.items}
                busy={restoring}
                {...(write ? { onRestore: (revision: number) => void restore(revision) } : {})}
              />
            )}
          </Loaded>
        )}
      </TabPanel>
    </Dialog>
  )
}
