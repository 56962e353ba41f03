/** One piece of work that the router may refuse: whether it is under way, and why it was refused. */
import { useState } from 'preact/hooks'
import { ApiError } from './client.ts'

export interface Work {
  busy: boolean
  /** Why the last run was refused; null while one is under way. */
  error: ApiError | null
  run: (work: () => Promise<void>) => Promise<void>
  forgetError: () => void
}

/** The work of one form or dialog. Anything but an answer of the router is thrown on: it is a defect of the page. */
export function useWork(): Work {
  const [error, setError] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState(false)
  const run = async (work: () => Promise<void>) => {
    setBusy(true)
    setError(null)
    try {
      await work()
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return { busy, error, run, forgetError: () => setError(null) }
}
