/** Route inspector: which model a request would get and why. Calls no upstream, records nothing. */
import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { explainRoute, listCandidates } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import type { Explanation } from '../../api/schema/explain.ts'
import { useWork } from '../../api/work.ts'
import { duration } from '../../lib/format.ts'
import { modifier } from '../../lib/shortcuts.ts'
import { adminUrl, useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Combobox } from '../../ui/combobox.tsx'
import { TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Select } from '../../ui/select.tsx'
import { Empty } from '../../ui/states.tsx'
import { playgroundOptions } from '../playground/settings-panel.tsx'
import { handOver, takeText } from '../shared/hand-over.ts'
import { startModel } from '../shared/model-options.ts'
import { firstPolicy, usePolicies } from '../shared/policies.ts'
import { ExplanationView } from './view.tsx'

const sample = 'Summarise this changelog in three bullets for customers.'

/** A pasted JSON body is used as it is; anything else is one user message. Images are dropped, only counted. */
export function requestBody(input: string, model: string): Record<string, unknown> {
  const text = input.trim()
  if (text.startsWith('{')) {
    try {
      const body: unknown = JSON.parse(text)
      if (typeof body === 'object' && body !== null && 'messages' in body)
        return { model, ...(body as Record<string, unknown>) }
    } catch {
      // Not JSON after all: a prompt may begin with a brace.
    }
  }
  return { model, messages: [{ role: 'user', content: text }] }
}

export default function Inspect(): JSX.Element {
  const query = useQuery()
  const { route } = useLocation()
  const [input, setInput] = useState(takeText)
  const { ids, known } = usePolicies()
  const policy = query.get('policy') || firstPolicy() || (ids[0] ?? '')
  const session = query.get('session')
  const [result, setResult] = useState<{ explanation: Explanation; ms: number } | null>(null)
  const [pinned, setPinned] = useState<{ explanation: Explanation; input: string } | null>(null)
  const { busy, error, run } = useWork()
  const shownInput = useRef('')
  const candidates = useResource(policy ? `candidates?${policy}` : null, signal => listCandidates(policy, signal))
  const model = query.get('model') || startModel(candidates.data?.items ?? []) || 'clawrouter/auto'

  const inspect = async () => {
    if (busy || !input.trim()) return
    const started = performance.now()
    await run(async () => {
      const explanation = await explainRoute({
        ...requestBody(input, model),
        ...(policy ? { policy } : {}),
        ...(session ? { session_id: session } : {}),
      })
      shownInput.current = input.trim()
      setResult({ explanation, ms: performance.now() - started })
    })
  }
  return (
    <Page
      title="Route inspector"
      text="Runs the router's own decision code on a request. No upstream model is called and nothing is recorded."
      actions={
        <Button
          disabled={!input.trim()}
          why="Write a prompt first"
          onClick={() => {
            // Not in the address: a prompt has no place in a history or a log.
            handOver.value = requestBody(input, model)
            route(adminUrl('/playground', { model: String(handOver.value['model']), policy, session }))
          }}
        >
          Send for real
        </Button>
      }
    >
      {known && ids.length === 0 && (
        <Callout tone="info">
          You have no key yet, and no policy is open to members. Ask an admin for a key in your name.
        </Callout>
      )}
      <div class="cols">
        <Panel title="Request">
          <form
            class="stack-16"
            onSubmit={event => {
              event.preventDefault()
              void inspect()
            }}
            onKeyDown={event => {
              if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) {
                event.preventDefault()
                void inspect()
              }
            }}
          >
            <TextInput
              label="Prompt, or a JSON request body"
              rows={8}
              value={input}
              onInput={setInput}
              placeholder={sample}
            />
            <div class="grid-2">
              <Select
                label="As policy"
                value={policy}
                onChange={value => query.set({ policy: value })}
                choices={[...new Set([...ids, policy])].map(id => ({ value: id, text: id || 'none' }))}
              />
              <div class="stack-4">
                <span class="label">Model</span>
                <Combobox
                  label="Model"
                  value={model}
                  free
                  options={playgroundOptions(candidates.data?.items ?? []).map(option => ({
                    ...option,
                    disabled: false,
                  }))}
                  onChange={value => query.set({ model: value })}
                />
              </div>
            </div>
            <TextInput
              label="Session id (optional)"
              mono
              value={session}
              onInput={value => query.set({ session: value })}
              hint="Shows what a pin would do."
            />
            <div class="row-wrap">
              <Button kind="primary" type="submit" busy={busy} disabled={!input.trim()} why="Write a prompt first">
                Inspect <kbd>{modifier}↵</kbd>
              </Button>
              <button type="button" class="link-btn small" onClick={() => setInput(sample)}>
                Use a sample
              </button>
            </div>
          </form>
        </Panel>
        <div class="stack-16">
          <Panel
            title="Decision"
            aside={
              result && (
                <>
                  <Chip tone="ok">dry run · {duration(result.ms)}</Chip>
                  <Button
                    small
                    kind="quiet"
                    onClick={() => setPinned({ explanation: result.explanation, input: shownInput.current })}
                  >
                    Keep to compare
                  </Button>
                </>
              )
            }
          >
            {error && <ErrorBox error={error} what="No decision" onRetry={() => void inspect()} />}
            {result ? (
              <ExplanationView explanation={result.explanation} />
            ) : (
              !error && (
                <Empty title="No decision yet">
                  Write a prompt and inspect it: the verdict, the candidates and the steps appear here.
                </Empty>
              )
            )}
          </Panel>
          {pinned && (
            <Panel
              title="Kept to compare"
              aside={
                <Button small kind="quiet" onClick={() => setPinned(null)}>
                  Remove
                </Button>
              }
            >
              <p class="muted">{pinned.input}</p>
              <ExplanationView explanation={pinned.explanation} />
            </Panel>
          )}
        </div>
      </div>
    </Page>
  )
}
