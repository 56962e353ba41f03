/** The targets of a route as an ordered list; Alt with the arrows moves one. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { saveDocument } from '../../api/documents.ts'
import { listCandidates } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import type { Stored } from '../../api/schema/common.ts'
import type { Route } from '../../api/schema/documents.ts'
import { useWork } from '../../api/work.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { Combobox } from '../../ui/combobox.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { toast } from '../../ui/toast.tsx'
import { modelOptions } from '../shared/model-options.ts'
import { Stale } from '../shared/stale.tsx'

const maxTargets = 16

type Target = Route['targets'][number]

export function ChainEditor({
  route,
  onClose,
  onSaved,
}: {
  route: Stored<Route>
  onClose: () => void
  onSaved: () => void
}): JSX.Element {
  const isNew = route.revision < 0
  const candidates = useResource('candidates?', signal => listCandidates(null, signal))
  const [targets, setTargets] = useState<Target[]>(
    [...route.document.targets].sort((a, b) => (a.order ?? 0) - (b.order ?? 0)),
  )
  const { busy, error, run, forgetError } = useWork()
  const options = modelOptions(candidates.data?.items ?? [])
  const move = (index: number, by: number) => {
    const next = [...targets]
    const [moved] = next.splice(index, 1)
    if (!moved || index + by < 0 || index + by > next.length) return
    next.splice(index + by, 0, moved)
    setTargets(next)
  }
  const document: Route = { ...route.document, targets: targets.map((target, order) => ({ ...target, order })) }
  const save = async (revision: number | 'new') => {
    await run(async () => {
      const saved = await saveDocument('routes', document, revision)
      toast(`clawrouter/${saved.document.id} saved, revision ${saved.revision}.`)
      onSaved()
    })
  }
  const broken = targets.length === 0 || targets.some(target => !target.model)
  return (
    <Dialog
      wide
      title={`Targets of clawrouter/${route.document.id}`}
      onClose={onClose}
      foot={
        <>
          <span class="small muted">Tried from the top until one answers.</span>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            busy={busy}
            disabled={broken}
            why="Every target needs a model"
            onClick={() => void save(isNew ? 'new' : route.revision)}
          >
            Save route
          </Button>
        </>
      }
    >
      {error?.code === 'revision_mismatch' ? (
        <Stale
          error={error}
          mine={document}
          onKeepMine={revision => void save(revision)}
          onTakeTheirs={theirs => {
            const taken = theirs.document as unknown as Route
            setTargets(Array.isArray(taken.targets) ? taken.targets : [])
            forgetError()
          }}
        />
      ) : (
        error && <ErrorBox error={error} what="The route was not saved" />
      )}
      <ol class="slot-list chain">
        {targets.map((target, index) => (
          <li
            class="slot-row"
            key={`${index}-${targets.length}`}
            onKeyDown={event => {
              const by = event.altKey ? { ArrowUp: -1, ArrowDown: 1 }[event.key] : undefined
              if (!by) return
              event.preventDefault()
              move(index, by)
            }}
          >
            <span class="slot slot-plain">{index + 1}</span>
            <Combobox
              label={`Target ${index + 1}`}
              value={target.model}
              options={options}
              free
              onChange={model => setTargets(targets.map((item, at) => (at === index ? { ...item, model } : item)))}
            />
            <IconButton
              icon="up"
              label={`Move target ${index + 1} up`}
              small
              disabled={index === 0}
              onClick={() => move(index, -1)}
            />
            <IconButton
              icon="down"
              label={`Move target ${index + 1} down`}
              small
              disabled={index === targets.length - 1}
              onClick={() => move(index, 1)}
            />
            <IconButton
              icon="close"
              label={`Remove target ${index + 1}`}
              small
              onClick={() => setTargets(targets.filter((_, at) => at !== index))}
            />
          </li>
        ))}
      </ol>
      <div>
        <Button
          small
          disabled={targets.length >= maxTargets}
          why="Sixteen targets are the most"
          onClick={() => setTargets([...targets, { model: '', weight: 1 }])}
        >
          Add target
        </Button>
      </div>
    </Dialog>
  )
}
