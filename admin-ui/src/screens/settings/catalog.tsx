/** Export and import of the whole catalog; secrets and keys are never in it. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { exportCatalog, importCatalog } from '../../api/documents.ts'
import { can } from '../../api/session.ts'
import { bytes } from '../../lib/format.ts'
import { list, plural } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { download } from '../../ui/download.ts'
import { Field } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Panel } from '../../ui/panel.tsx'
import { toast, toastError } from '../../ui/toast.tsx'

const maxBytes = 8_388_608

interface Chosen {
  name: string
  size: number
  catalog: Record<string, unknown>
}

function contents(catalog: Record<string, unknown>): string {
  const parts = Object.entries(catalog).map(([name, value]) =>
    Array.isArray(value) ? `${value.length} ${name.replaceAll('_', ' ')}` : name,
  )
  return list(parts) || 'nothing'
}

export function CatalogPanel(): JSX.Element {
  const [busy, setBusy] = useState(false)
  const [chosen, setChosen] = useState<Chosen | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const save = async () => {
    setBusy(true)
    try {
      download('clawrouter-catalog.json', 'application/json', `${JSON.stringify(await exportCatalog(), null, 2)}\n`)
    } catch (failure) {
      toastError(failure)
    } finally {
      setBusy(false)
    }
  }
  const choose = async (file: File | undefined) => {
    setProblem(null)
    if (!file) return
    if (file.size > maxBytes) return setProblem(`The file has ${bytes(file.size)}; ${bytes(maxBytes)} are the most.`)
    try {
      const catalog: unknown = JSON.parse(await file.text())
      if (typeof catalog !== 'object' || catalog === null || Array.isArray(catalog))
        return setProblem('A catalog is a JSON object.')
      setChosen({ name: file.name, size: file.size, catalog: catalog as Record<string, unknown> })
    } catch (failure) {
      setProblem(failure instanceof Error ? failure.message : 'Not JSON.')
    }
  }
  const load = async () => {
    if (!chosen) return
    setBusy(true)
    setError(null)
    try {
      const answer = await importCatalog(chosen.catalog)
      toast(`${plural(answer.changed.length, 'document')} changed, catalog revision ${answer.catalog_revision}.`)
      setChosen(null)
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Panel title="Catalog">
      <p class="muted">
        Providers, models, pools, routes, fusion profiles, policies and settings as one JSON document. Keys and secrets
        are never in it.
      </p>
      <div class="actions">
        <Button busy={busy && !chosen} onClick={() => void save()}>
          Export catalog
        </Button>
      </div>
      {can('catalog.import') && (
        <Field
          label="Import a catalog"
          hint="Documents in the file replace those with the same id; the rest stays."
          error={problem}
        >
          {({ id, describedBy }) => (
            <input
              id={id}
              type="file"
              class="input"
              accept="application/json,.json"
              aria-describedby={describedBy}
              onChange={event => {
                void choose(event.currentTarget.files?.[0])
                event.currentTarget.value = ''
              }}
            />
          )}
        </Field>
      )}
      {chosen && (
        <Dialog
          title="Import catalog"
          onClose={() => setChosen(null)}
          foot={
            <>
              <Button onClick={() => setChosen(null)}>Cancel</Button>
              <Button kind="primary" busy={busy} onClick={() => void load()}>
                Import catalog
              </Button>
            </>
          }
        >
          {error && <ErrorBox error={error} what="Nothing was imported" />}
          <p>
            <strong>{chosen.name}</strong> ({bytes(chosen.size)}) holds {contents(chosen.catalog)}.
          </p>
          <p class="muted">
            The whole catalog that would result is checked first; if anything is wrong, nothing changes. Every change
            keeps its history.
          </p>
        </Dialog>
      )}
    </Panel>
  )
}
