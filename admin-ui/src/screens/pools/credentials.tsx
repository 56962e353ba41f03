/** Credentials pasted into a pool: write-only, sealed by the Worker, shown as label and last four characters. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { deleteCredential, listCredentials, putCredential, saveDocument } from '../../api/documents.ts'
import { invalidate, useResource } from '../../api/resource.ts'
import type { Stored } from '../../api/schema/common.ts'
import type { Pool } from '../../api/schema/documents.ts'
import { session } from '../../api/session.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Code } from '../../ui/code.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextInput } from '../../ui/field.tsx'
import { ErrorBox, Loaded } from '../../ui/loaded.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { toast } from '../../ui/toast.tsx'
import { withSealed } from '../models/endpoint.ts'

const prefixes: [RegExp, string][] = [
  [/^sk-ant-/, 'anthropic'],
  [/^sk-or-/, 'openrouter'],
  [/^gsk_/, 'groq'],
  [/^xai-/, 'xai'],
  [/^AIza/, 'google'],
  [/^hf_/, 'huggingface'],
  [/^clawrouter-/, 'clawrouter'],
]

/** "This looks like an anthropic key": a warning when the pasted value belongs to somebody else. */
export function looksWrong(pool: string, value: string): string | null {
  const owner = prefixes.find(([pattern]) => pattern.test(value.trim()))?.[1]
  if (!owner || pool.includes(owner)) return null
  return owner === 'clawrouter'
    ? 'This is a key of this router, not of a provider.'
    : `This looks like a key of ${owner}; the pool is ${pool}.`
}

export function CredentialsDialog({
  pool,
  document,
  onClose,
}: {
  pool: string
  document: Stored<Pool> | undefined
  onClose: () => void
}): JSX.Element {
  const sealing = session.value.state === 'in' && session.value.me.sealing
  const credentials = useResource(`credentials/${pool}`, signal => listCredentials(pool, signal))
  const [label, setLabel] = useState('main')
  const [value, setValue] = useState('')
  const [error, setError] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState<string | null>(null)

  const guarded = async (name: string, work: () => Promise<void>) => {
    setBusy(name)
    setError(null)
    try {
      await work()
      invalidate('credentials', 'documents/pools', 'health', 'candidates')
      await credentials.refresh()
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure
      setError(failure)
    } finally {
      setBusy(null)
    }
  }
  const store = (event: Event) => {
    event.preventDefault()
    const name = label.trim()
    if (!value.trim() || !name) return
    void guarded('store', async () => {
      const place = document?.document.keys?.find(key => key.label === name)
      // The Worker seals a value only where the pool says that one belongs.
      if (document && place?.['sealed'] !== true) {
        await saveDocument('pools', withSealed(document.document, name), document.revision)
      }
      await putCredential(pool, name, value.trim())
      setValue('')
      toast(`Credential ${name} of ${pool} is stored.`)
    })
  }
  const remove = (name: string) =>
    void guarded(name, async () => {
      await deleteCredential(pool, name)
      toast(`Credential ${name} of ${pool} is removed.`)
    })
  const warning = looksWrong(pool, value)
  return (
    <Dialog wide title={`Credentials of ${pool}`} onClose={onClose}>
      {error && <ErrorBox error={error} what="Not stored" />}
      <Loaded of={credentials} what="Credentials" lines={3}>
        {data =>
          data.items.length > 0 ? (
            <Table
              label="Stored credentials"
              rows={data.items}
              rowKey={item => item.label}
              columns={[
                { id: 'label', head: 'Label', cell: item => <strong>{item.label}</strong> },
                {
                  id: 'set',
                  head: 'Value',
                  cell: item => (
                    <Chip tone={item.set ? 'ok' : 'bad'}>
                      {item.set ? (item.last4 ? `set, …${item.last4}` : 'set as a secret') : 'not set'}
                    </Chip>
                  ),
                },
                {
                  id: 'at',
                  head: 'Changed',
                  cell: item => (item.updated_at ? <Ago at={item.updated_at} /> : <span class="muted">–</span>),
                },
                { id: 'by', head: 'By', cell: item => item.updated_by ?? <span class="muted">–</span> },
                {
                  id: 'act',
                  head: <span class="visually-hidden">Actions</span>,
                  cell: item =>
                    item.updated_at ? (
                      <span class="row">
                        <Button small onClick={() => setLabel(item.label)}>
                          Replace
                        </Button>
                        <Button small kind="danger" busy={busy === item.label} onClick={() => remove(item.label)}>
                          Remove
                        </Button>
                      </span>
                    ) : null,
                },
              ]}
            />
          ) : (
            <p class="muted">No credential is stored in this pool.</p>
          )
        }
      </Loaded>
      {sealing ? (
        <form class="stack-16" onSubmit={store}>
          <div class="grid-2">
            <TextInput label="Label" mono value={label} onInput={setLabel} hint="An existing label is replaced." />
            <TextInput
              label="Value"
              type="password"
              autocomplete="new-password"
              value={value}
              onInput={setValue}
              placeholder="Paste the provider's key"
              hint={warning ? <span class="warn">{warning}</span> : 'Sealed at once and never shown again.'}
            />
          </div>
          <div>
            <Button
              kind="primary"
              type="submit"
              busy={busy === 'store'}
              disabled={!value.trim() || !label.trim()}
              why="Paste a value first"
            >
              Store credential
            </Button>
          </div>
        </form>
      ) : (
        <>
          <Callout tone="info" title="Pasting is off.">
            The Worker has no secret <code>SEAL_KEY</code>. Set it, or name a Worker secret in the pool's document.
          </Callout>
          <Code
            label="Commands"
            text={`openssl rand -base64 32 | npx wrangler secret put SEAL_KEY\n# or, without pasting here:\nnpx wrangler secret put ${document?.document.discover ?? `${pool.toUpperCase().replaceAll('-', '_')}_API_KEY`}`}
          />
        </>
      )}
    </Dialog>
  )
}
