/** What the page itself can say about a draft, before the Worker is asked. Pure. */
import type { FusionProfile } from '../../api/schema/documents.ts'
import type { ModelCandidate } from '../../api/schema/operate.ts'

export interface DraftCheck {
  /** Impossible: the Worker would refuse it. */
  error: boolean
  title: string
  text: string
}

export const maxAdvisers = 8
export const suggestedAdvisers = 4

const slotName = (index: number) => `Adviser ${index + 1}`

/** Checks in the order of the form; an empty list means that nothing is odd. */
export function checkDraft(draft: FusionProfile, candidates: readonly ModelCandidate[]): DraftCheck[] {
  const known = new Map(candidates.map(candidate => [candidate.model, candidate]))
  const out: DraftCheck[] = []
  const virtual = (model: string) => model.startsWith('clawrouter/')
  const models = draft.advisers.map(adviser => adviser.model)

  if (!draft.synthesizer.model)
    out.push({ error: true, title: 'No synthesizer.', text: 'Choose the model that writes the answer.' })
  if (virtual(draft.synthesizer.model))
    out.push({
      error: true,
      title: 'Virtual synthesizer.',
      text: 'A fusion cannot call another fusion or route; choose a concrete model.',
    })
  models.forEach((model, index) => {
    if (virtual(model))
      out.push({
        error: true,
        title: `${slotName(index)} is virtual.`,
        text: 'A fusion cannot call another fusion or route; choose a concrete model.',
      })
    const first = models.indexOf(model)
    if (model && first < index)
      out.push({
        error: true,
        title: 'Same model twice.',
        text: `${slotName(first)} and ${slotName(index)} are both ${model}; advisers must differ.`,
      })
  })
  const chain = [draft.synthesizer.model, ...(draft.synthesizer.fallbacks ?? [])]
  chain.forEach((model, index) => {
    if (index > 0 && virtual(model))
      out.push({
        error: true,
        title: `Fallback ${index} is virtual.`,
        text: 'A fusion cannot call another fusion or route; choose a concrete model.',
      })
    if (model && chain.indexOf(model) < index)
      out.push({
        error: true,
        title: `Fallback ${index} was asked before.`,
        text: `${model} stands earlier in the chain; each model is asked once.`,
      })
  })
  if (draft.judge?.enabled) {
    const judge = draft.judge.model ?? ''
    if (!judge)
      out.push({
        error: true,
        title: 'No judge model.',
        text: 'Choose the model that compares the drafts, or turn the judge off.',
      })
    const same = models.indexOf(judge)
    if (judge && same >= 0 && draft['allow_self_judge'] !== true) {
      out.push({
        error: true,
        title: 'The judge is also an adviser.',
        text: `${slotName(same)} would judge its own draft. Choose another judge, or confirm it under Limits.`,
      })
    }
    const family = known.get(judge)?.family
    const relative = models.findIndex(model => model !== judge && family && known.get(model)?.family === family)
    if (family && relative >= 0) {
      out.push({
        error: false,
        title: 'Same family.',
        text: `${slotName(relative)} and the judge are both ${family} models. Judges tend to prefer their own family; choose another judge or accept.`,
      })
    }
  }
  const inputChars = typeof draft['max_input_chars'] === 'number' ? draft['max_input_chars'] : 24_000
  models.forEach((model, index) => {
    const window = known.get(model)?.context_window
    // Four characters a token is generous for prose; the Worker estimates more carefully.
    if (window && inputChars / 3 > window) {
      out.push({
        error: false,
        title: `${slotName(index)} has a small context.`,
        text: `${model} reads ${window.toLocaleString('en-GB')} tokens; ${inputChars.toLocaleString('en-GB')} characters may not fit.`,
      })
    }
  })
  const timeout = Number(draft['adviser_timeout_ms'] ?? 15_000)
  const deadline = Number(draft['deadline_ms'] ?? 120_000)
  if (timeout >= deadline)
    out.push({
      error: false,
      title: 'Adviser timeout reaches the deadline.',
      text: 'Slow advisers would leave the synthesizer no time. Lower the timeout or raise the deadline.',
    })
  const quorum = draft['quorum']
  if (typeof quorum === 'number' && quorum > models.length)
    out.push({
      error: true,
      title: 'Quorum too large.',
      text: `Wait for at most ${models.length}, the number of advisers.`,
    })
  if (models.length > suggestedAdvisers)
    out.push({
      error: false,
      title: `${models.length} advisers.`,
      text: `More than ${suggestedAdvisers} rarely pay; each one costs a call.`,
    })
  return out
}

/** The synthesizer of a draft with another model, which is then no fallback of itself. */
export function withChain({ synthesizer }: FusionProfile, model: string): FusionProfile['synthesizer'] {
  const rest = synthesizer.fallbacks?.filter(item => item !== model)
  return { ...synthesizer, model, fallbacks: rest?.length ? rest : undefined }
}

/** Presets fill a draft from what can be executed; they do not save. */
export const presets = ['Cheap', 'Balanced', 'Careful', 'Local first'] as const
export type Preset = (typeof presets)[number]

export function applyPreset(
  preset: Preset,
  draft: FusionProfile,
  candidates: readonly ModelCandidate[],
): FusionProfile {
  const usable = candidates.filter(item => item.executable && !item.virtual && item.capabilities?.includes('chat'))
  const cost = (item: ModelCandidate) => item.price?.output ?? Number.POSITIVE_INFINITY
  const paid = usable
    .filter(item => Number.isFinite(cost(item)) && item.provider !== 'local' && item.provider !== 'demo')
    .sort((a, b) => cost(a) - cost(b))
  const local = usable.filter(item => item.provider === 'local')
  const spread = (items: ModelCandidate[], amount: number) => {
    const seen = new Set<string>()
    return items
      .filter(item => !seen.has(item.family ?? item.model) && seen.add(item.family ?? item.model))
      .slice(0, amount)
  }
  const wanted: Record<Preset, { advisers: ModelCandidate[]; top: ModelCandidate | undefined; judge: boolean }> = {
    Cheap: { advisers: spread(paid, 2), top: paid[Math.floor(paid.length / 2)], judge: false },
    Balanced: { advisers: spread(paid, 3), top: paid.at(-1), judge: false },
    Careful: { advisers: spread([...paid].reverse().slice(1), 4), top: paid.at(-1), judge: true },
    'Local first': { advisers: [...local.slice(0, 2), ...spread(paid, 1)], top: paid.at(-1), judge: false },
  }
  const { advisers, top, judge } = wanted[preset]
  const synthesizer = top?.model ?? draft.synthesizer.model
  const chosen = advisers.map(item => item.model).filter(model => model !== synthesizer)
  const judgeModel = usable.find(
    item => !chosen.includes(item.model) && item.model !== synthesizer && item.price && item.family !== top?.family,
  )?.model
  return {
    ...draft,
    advisers: chosen.length ? chosen.map((model, index) => ({ ...draft.advisers[index], model })) : draft.advisers,
    synthesizer: withChain(draft, synthesizer),
    judge: judge && judgeModel ? { model: judgeModel, enabled: true } : null,
  }
}
