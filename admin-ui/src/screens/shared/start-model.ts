/** The model that an example names: one that this deployment can run now. */
import { listCandidates } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import { startModel } from './model-options.ts'

export function useStartModel(): string {
  const candidates = useResource('candidates?', signal => listCandidates(null, signal))
  return startModel(candidates.data?.items ?? []) ?? 'clawrouter/auto'
}
