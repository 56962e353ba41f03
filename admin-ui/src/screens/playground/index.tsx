/** Playground: talk to any model exactly as a caller would, with a receipt under each answer. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { listCandidates } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import { useNow } from '../../lib/clock.ts'
import { duration } from '../../lib/format.ts'
import { modifier, useShortcuts } from '../../lib/shortcuts.ts'
import { useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { TextInput } from '../../ui/field.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { takeOver } from '../shared/hand-over.ts'
import { startModel } from '../shared/model-options.ts'
import { firstPolicy, mayMint, usePolicies } from '../shared/policies.ts'
import { callerKey, callerKeys, forgetKey, giveKey } from './caller.ts'
import { type Answer, type Message, noAnswer, requestOf, type Settings, send } from './chat.ts'
import { CodeDialog } from './code-dialog.tsx'
import { SettingsPanel } from './settings-panel.tsx'
import { Turn, type TurnState } from './turn.tsx'

const startPrompt = 'Explain in three sentences what a router for language models does.'

function historyOf(turns: readonly TurnState[]): Message[] {
  return turns.flatMap(turn => [
    { role: 'user' as const, content: turn.prompt },
    ...(turn.answer.text && !turn.error ? [{ role: 'assistant' as const, content: turn.answer.text }] : []),
  ])
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
  const frame = useRef(0)
  const policies = usePolicies()
  const candidates = useResource(settings.policy ? `candidates?${settings.policy}` : null, signal =>
    listCandidates(settings.policy, signal),
  )
  const running = turns.at(-1)?.running === true

  // The bundled start has clawrouter/auto only when some model can run; fall back to what can.
  const models =
    candidates.data?.items.filter(item => item.executable && (item.capabilities?.includes('chat') ?? true)) ?? []
  useEffect(() => {
    const start = startModel(candidates.data?.items ?? [])
    if (start && !query.get('model') && !models.some(item => item.model === settings.model)) change({ model: start })
  }, [candidates.data])
  useEffect(() => {
    if (!settings.policy && policies.ids[0]) change({ policy: policies.ids[0] })
  }, [policies.ids[0]])
  useEffect(
    () => () => {
      abort.current?.abort()
      cancelAnimationFrame(frame.current)
    },
    [],
  )
  useShortcuts([{ keys: 'Escape', text: 'Stop the answer', run: () => abort.current?.abort() }])

  const change = (next: Partial<Settings>) => {
    setSettings(old => ({ ...old, ...next }))
    if (next.model !== undefined || next.policy !== undefined)
      query.set({ model: next.model ?? settings.model, policy: next.policy ?? settings.policy })
  }
  const last = (update: Partial<TurnState>) =>
    setTurns(old => old.map((turn, index) => (index === old.length - 1 ? { ...turn, ...update } : turn)))

  const run = async (text: string, before: TurnState[]) => {
    const content = text.trim()
    if (!content || running) return
    const mine = new AbortController()
    abort.current = mine
    let request: Record<string, unknown>
    try {
      request = requestOf(settings, [...historyOf(before), { role: 'user', content }])
    } catch {
      return
    }
    setTurns([
      ...before,
      { prompt: content, requested: settings.model, answer: noAnswer, error: null, running: true, stopped: false },
    ])
    setPrompt('')
    let newest: Answer = noAnswer
    try {
      const key = await callerKey(settings.policy, Date.now())
      // Text is painted once per animation frame, not once per token.
      const answer = await send(key.key, request, mine.signal, next => {
        newest = next
        cancelAnimationFrame(frame.current)
        frame.current = requestAnimationFrame(() => last({ answer: newest }))
      })
      cancelAnimationFrame(frame.current)
      last({ answer, running: false })
    } catch (error) {
      cancelAnimationFrame(frame.current)
      if (mine.signal.aborted) last({ answer: newest, running: false, stopped: true })
      else {
        const shown =
          error instanceof ApiError
            ? error
            : new ApiError({
                status: 0,
                code: 'network',
                message: 'The connection broke before the answer was complete.',
              })
        if (shown.code === 'invalid_api_key' || shown.code === 'key_revoked') forgetKey(settings.policy)
        last({ answer: newest, running: false, error: shown })
      }
    }
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
            {settings.policy && !ready && <GivenKey key={settings.policy} policy={settings.policy} />}
            <textarea
              ref={composer}
              class="textarea"
              rows={3}
              aria-label="Message"
              placeholder={`Message to ${settings.model}`}
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
              {ready && <KeyLine policy={settings.policy} />}
            </div>
          </form>
        </Panel>
        <SettingsPanel settings={settings} onChange={change} candidates={candidates} policies={policies.ids} />
      </div>
      {code && (
        <CodeDialog
          settings={settings}
          messages={[...historyOf(turns), { role: 'user', content: prompt.trim() || startPrompt }]}
          onClose={() => setCode(false)}
        />
      )}
    </Page>
  )
}
