/** Playground: talk to any model exactly as a caller would, with a receipt under each answer. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { listCandidates } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import { useNow } from '../../lib/clock.ts'
import { duration } from '../../lib/format.ts'
import { modifier, useShortcuts } from '../../lib/shortcuts.ts'
import { list, plural } from '../../lib/text.ts'
import { useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { TextInput } from '../../ui/field.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { remember, takeOver } from '../shared/hand-over.ts'
import { startModel } from '../shared/model-options.ts'
import { firstPolicy, mayMint, usePolicies } from '../shared/policies.ts'
import { type CallerKey, callerKey, callerKeys, forgetKey, giveKey } from './caller.ts'
import { type Answer, type Message, noAnswer, requestOf, type Settings, send } from './chat.ts'
import { CodeDialog } from './code-dialog.tsx'
import { isFusion, useEstimate } from './estimate.ts'
import { SettingsPanel } from './settings-panel.tsx'
import { type Lane, Turn, type TurnState } from './turn.tsx'

const startPrompt = 'Explain in three sentences what a router for language models does.'

/** The conversation as one model had it; what came before it joined is that of the first. */
export function historyOf(turns: readonly TurnState[], index: number): Message[] {
  return turns.flatMap(turn => {
    const lane = turn.lanes[index] ?? turn.lanes[0]
    return [
      { role: 'user' as const, content: turn.prompt },
      ...(lane?.answer.text && !lane.error ? [{ role: 'assistant' as const, content: lane.answer.text }] : []),
    ]
  })
}

function KeyLine({ policy }: { policy: string }): JSX.Element {
  const now = useNow()
  const key = callerKeys.value.find(item => item.policy === policy && item.expiresAt > now)
  return (
    <span class="small muted">
      {key?.given ? (
        <>
          Your key {key.kid}, in memory only.{' '}
          <button type="button" class="link-btn" onClick={() => forgetKey(policy)}>
            Forget it
          </button>
        </>
      ) : key ? (
        <>
          Key <code>playground</code> ({key.kid}) of {policy}, in memory only, ends in {duration(key.expiresAt - now)}.
        </>
      ) : (
        <>
          The first send mints a key named <code>playground</code> for {policy}, valid one hour, kept in memory only.
        </>
      )}
    </span>
  )
}

/** For whoever may not make a key under the policy: one they have. */
function GivenKey({ policy }: { policy: string }): JSX.Element {
  const [text, setText] = useState('')
  const wrong =
    text.trim() !== '' && !'clawrouter-live-'.startsWith(text.slice(0, 16)) && !text.startsWith('clawrouter-')
  return (
    <TextInput
      label={`Your key of ${policy}`}
      type="password"
      autocomplete="off"
      mono
      value={text}
      onInput={next => {
        setText(next)
        giveKey(policy, next)
      }}
      error={wrong ? 'A key of this router begins with clawrouter-.' : null}
      hint="You may not make keys under this policy, so the playground needs one of yours. It stays in the memory of this page."
    />
  )
}

export default function Playground(): JSX.Element {
  const query = useQuery()
  const [given] = useState(takeOver)
  const [settings, setSettings] = useState<Settings>({
    model: query.get('model') || 'clawrouter/auto',
    beside: query.get('beside').split(' ').filter(Boolean).slice(0, 2),
    policy: query.get('policy') || firstPolicy(),
    system: given?.system ?? '',
    temperature: null,
    maxTokens: null,
    stream: true,
    json: false,
    tools: '',
    session: query.get('session'),
  })
  const [turns, setTurns] = useState<TurnState[]>([])
  const [prompt, setPrompt] = useState(given?.prompt ?? '')
  const [code, setCode] = useState(false)
  const abort = useRef<AbortController | null>(null)
  const composer = useRef<HTMLTextAreaElement>(null)
  const policies = usePolicies()
  const candidates = useResource(settings.policy ? `candidates?${settings.policy}` : null, signal =>
    listCandidates(settings.policy, signal),
  )
  const [shown, setShown] = useState(0)
  const running = turns.at(-1)?.lanes.some(lane => lane.running) === true

  // The bundled start has clawrouter/auto only when some model can run; fall back to what can.
  const usable =
    candidates.data?.items.filter(item => item.executable && (item.capabilities?.includes('chat') ?? true)) ?? []
  useEffect(() => {
    const start = startModel(candidates.data?.items ?? [])
    if (start && !query.get('model') && !usable.some(item => item.model === settings.model)) change({ model: start })
  }, [candidates.data])
  useEffect(() => {
    if (!settings.policy && policies.ids[0]) change({ policy: policies.ids[0] })
  }, [policies.ids[0]])
  useEffect(() => () => abort.current?.abort(), [])
  useShortcuts([
    { keys: 'Escape', text: 'Stop every answer', run: () => abort.current?.abort() },
    {
      keys: 'f',
      text: 'Focus the answer',
      run: () => [...document.querySelectorAll<HTMLElement>('.lanes > [data-shown]')].at(-1)?.focus(),
    },
  ])

  const change = (next: Partial<Settings>) => {
    setSettings(old => ({ ...old, ...next }))
    const { model, policy, beside } = { ...settings, ...next }
    if (next.model !== undefined || next.policy !== undefined || next.beside)
      query.set({ model, policy, beside: beside.join(' ') })
  }
  /** Of the last turn. */
  const update = (index: number, change: Partial<Lane>) =>
    setTurns(old =>
      old.map((turn, at) =>
        at < old.length - 1
          ? turn
          : { ...turn, lanes: turn.lanes.map((lane, i) => (i === index ? { ...lane, ...change } : lane)) },
      ),
    )
  const models = [settings.model, ...settings.beside]
  /** The bodies that go out, one per model; none while the tools are not JSON. */
  const requestsOf = (content: string, before: TurnState[]) => {
    try {
      return models.map((model, index) =>
        requestOf({ ...settings, model, session: index ? '' : settings.session }, [
          ...historyOf(before, index),
          { role: 'user', content },
        ]),
      )
    } catch {
      return []
    }
  }
  const estimate = useEstimate(
    settings.policy,
    running || !(prompt.trim() || models.some(isFusion)) ? [] : requestsOf(prompt.trim() || startPrompt, turns),
  )

  const ask = async (
    caller: Promise<CallerKey>,
    request: Record<string, unknown>,
    index: number,
    mine: AbortController,
  ) => {
    let newest: Answer = noAnswer
    let frame = 0
    let id: string | null | undefined
    try {
      const { key } = await caller
      // Text is painted once per animation frame, not once per token.
      newest = await send(key, request, mine.signal, next => {
        newest = next
        frame ||= requestAnimationFrame(() => {
          frame = 0
          if (!mine.signal.aborted) update(index, { answer: newest })
        })
      })
      update(index, { answer: newest, running: false })
    } catch (error) {
      if (mine.signal.aborted) update(index, { answer: newest, running: false, stopped: true })
      else {
        const failed =
          error instanceof ApiError
            ? error
            : new ApiError({
                status: 0,
                code: 'network',
                message: 'The connection broke before the answer was complete.',
              })
        id = failed.requestId
        if (failed.code === 'invalid_api_key' || failed.code === 'key_revoked') forgetKey(settings.policy)
        update(index, { answer: newest, running: false, error: failed })
      }
    } finally {
      cancelAnimationFrame(frame)
      remember(id ?? newest.headers['x-request-id'], { body: request })
    }
  }

  const run = async (text: string, before: TurnState[]) => {
    const content = text.trim()
    if (!content || running) return
    const requests = requestsOf(content, before)
    if (requests.length === 0) return
    const mine = new AbortController()
    abort.current = mine
    const lanes = models.map(requested => ({
      requested,
      answer: noAnswer,
      error: null,
      running: true,
      stopped: false,
    }))
    setTurns([...before, { prompt: content, lanes }])
    setPrompt('')
    const caller = callerKey(settings.policy, Date.now())
    await Promise.all(requests.map((request, index) => ask(caller, request, index, mine)))
    composer.current?.focus()
  }

  const ready = mayMint(settings.policy) || callerKeys.value.some(item => item.policy === settings.policy && item.given)
  const toolsBroken = (() => {
    try {
      return settings.tools.trim() !== '' && !Array.isArray(JSON.parse(settings.tools))
    } catch {
      return true
    }
  })()
  return (
    <Page
      title="Playground"
      text="Real calls on the caller API, billed to the policy you choose."
      actions={
        <>
          <Button onClick={() => setCode(true)}>Code</Button>
          <Button disabled={turns.length === 0 || running} why="Nothing to clear" onClick={() => setTurns([])}>
            New conversation
          </Button>
        </>
      }
    >
      {policies.known && policies.ids.length === 0 && (
        <Callout tone="info">
          You have no key yet, and no policy is open to members. Ask an admin for a key in your name.
        </Callout>
      )}
      <div class="chat">
        <Panel flush>
          <div class="panel-body transcript" aria-label="Conversation" role="group">
            {turns.length === 0 && (
              <Empty title="Nothing sent yet">
                Ask a model something, for example:{' '}
                <button type="button" class="link-btn" onClick={() => setPrompt(startPrompt)}>
                  {startPrompt}
                </button>
              </Empty>
            )}
            {turns.map((turn, index) => (
              <Turn
                key={index}
                turn={turn}
                shown={shown}
                onRetry={
                  index === turns.length - 1 && !running ? () => void run(turn.prompt, turns.slice(0, -1)) : undefined
                }
              />
            ))}
            <span class="visually-hidden" role="status">
              {turns.length > 0 && !running ? 'Answer complete' : ''}
            </span>
          </div>
          <form
            class="composer"
            onSubmit={event => {
              event.preventDefault()
              void run(prompt, turns)
            }}
          >
            {models.length > 1 && (
              <div class={`lane-choice lane-choice-${models.length}`} role="group" aria-label="Answer to show">
                {models.map((model, index) => (
                  <Button key={index} small pressed={index === shown} onClick={() => setShown(index)}>
                    {model}
                  </Button>
                ))}
              </div>
            )}
            {given && given.left > 0 && turns.length === 0 && (
              <span class="field-hint">
                The last message{given.system && ' and the system text'} of that request;{' '}
                {plural(given.left, 'message')} of its conversation stayed behind.
              </span>
            )}
            {settings.policy && !ready && <GivenKey key={settings.policy} policy={settings.policy} />}
            <textarea
              ref={composer}
              class="textarea"
              rows={3}
              aria-label="Message"
              placeholder={`Message to ${list(models)}`}
              value={prompt}
              onInput={event => setPrompt(event.currentTarget.value)}
              onKeyDown={event => {
                if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) {
                  event.preventDefault()
                  void run(prompt, turns)
                }
              }}
            />
            <div class="row-wrap">
              {running ? (
                <Button onClick={() => abort.current?.abort()}>
                  Stop <kbd>Esc</kbd>
                </Button>
              ) : (
                <Button
                  kind="primary"
                  type="submit"
                  disabled={!ready || !prompt.trim() || toolsBroken}
                  why={
                    toolsBroken
                      ? 'The tools are not a JSON array'
                      : ready
                        ? 'Write a message first'
                        : 'Give a key first'
                  }
                >
                  Send <kbd>{modifier}↵</kbd>
                </Button>
              )}
              {estimate && (
                <span class="small" role="status">
                  {estimate}
                </span>
              )}
              {ready && <KeyLine policy={settings.policy} />}
            </div>
          </form>
        </Panel>
        <SettingsPanel settings={settings} onChange={change} candidates={candidates} policies={policies.ids} />
      </div>
      {code && (
        <CodeDialog
          settings={settings}
          messages={[...historyOf(turns, 0), { role: 'user', content: prompt.trim() || startPrompt }]}
          onClose={() => setCode(false)}
        />
      )}
    </Page>
  )
}
