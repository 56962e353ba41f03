/** The draft being edited: shown at once, saved and rechecked 400 ms after the last change, stale answers dropped. */
import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { readDraft, readReadiness, saveDraft } from '../../api/fusion.ts'
import { type Resource, useResource } from '../../api/resource.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import type { Draft, Readiness } from '../../api/schema/fusion.ts'

const settleMs = 400
const recheckMs = 30_000

export interface DraftState {
  server: Resource<Draft>
  /** What the form shows: the unsaved edit, else what the server has. */
  draft: FusionProfile | undefined
  edit: (change: Partial<FusionProfile>) => void
  saving: boolean
  saveError: ApiError | null
  readiness: Readiness | undefined
  readinessError: ApiError | null
  /** When the shown readiness arrived; 0 before that. */
  readinessAt: number
  /** The shown readiness belongs to an older draft. */
  checking: boolean
  recheck: () => void
  /** Replaces the draft by what a call answered (discard, enable). */
  adopt: (draft: Draft) => void
}

interface Shown {
  readiness: Readiness | undefined
  error: ApiError | null
  at: number
}

export function useDraft(profile: string, editable: boolean): DraftState {
  const server = useResource(`fusion-draft/${profile}`, signal => readDraft(profile, signal))
  const local: Signal<FusionProfile | null> = useSignal<FusionProfile | null>(null)
  const saving = useSignal(false)
  const saveError = useSignal<ApiError | null>(null)
  const shown = useSignal<Shown>({ readiness: undefined, error: null, at: 0 })
  const checking = useSignal(false)
  const abort = useRef<AbortController | null>(null)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)

  const draft = local.value ?? server.data?.draft
  const current = useRef(draft)
  current.current = draft

  const check = async () => {
    const body = current.current
    if (!body) return
    abort.current?.abort()
    const mine = new AbortController()
    abort.current = mine
    checking.value = true
    try {
      const readiness = await readReadiness(profile, { draft: body, keys: true }, mine.signal)
      if (abort.current === mine) shown.value = { readiness, error: null, at: Date.now() }
    } catch (error) {
      if (abort.current === mine && error instanceof ApiError) shown.value = { ...shown.value, error }
    } finally {
      if (abort.current === mine) checking.value = false
    }
  }

  const save = async () => {
    const body = local.value
    if (!body || !editable) return
    saving.value = true
    saveError.value = null
    try {
      const saved = await saveDraft(profile, body)
      server.put(saved)
      // An edit made while the save was on its way stays on top.
      if (local.value === body) local.value = null
    } catch (error) {
      if (error instanceof ApiError) saveError.value = error
      else throw error
    } finally {
      saving.value = false
    }
  }

  const schedule = () => {
    clearTimeout(timer.current)
    checking.value = true
    timer.current = setTimeout(() => {
      void save()
      void check()
    }, settleMs)
  }

  useEffect(() => {
    local.value = null
    saveError.value = null
    shown.value = { readiness: undefined, error: null, at: 0 }
    return () => {
      // Leaving the screen must not lose the last edit.
      clearTimeout(timer.current)
      if (local.value) void save()
      abort.current?.abort()
    }
  }, [profile])

  const loaded = server.data !== undefined
  useEffect(() => {
    if (!loaded) return
    void check()
    const poll = setInterval(() => {
      if (document.visibilityState === 'visible' && !checking.value) void check()
    }, recheckMs)
    return () => clearInterval(poll)
  }, [profile, loaded])

  return {
    server,
    draft,
    edit: change => {
      if (!draft || !editable) return
      local.value = { ...draft, ...change }
      schedule()
    },
    saving: saving.value,
    saveError: saveError.value,
    readiness: shown.value.readiness,
    readinessError: shown.value.error,
    readinessAt: shown.value.at,
    checking: checking.value,
    recheck: () => void check(),
    adopt: next => {
      clearTimeout(timer.current)
      local.value = null
      saveError.value = null
      server.put(next)
      current.current = next.draft
      void check()
    },
  }
}
