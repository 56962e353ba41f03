// The admin API's answers, from fixtures and what the context changed.
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { type Any, collections, fixture, type State } from './state.ts'

export interface Reply {
  status: number
  body?: Any
  headers?: Record<string, string>
}

export interface Call {
  method: string
  parts: string[]
  query: URLSearchParams
  body: Any
  headers: IncomingHttpHeaders
  scenario: string
  state: State
}

const ok = (body: Any, status = 200): Reply => ({ status, body })
const failure = (status: number, name: string, headers?: Record<string, string>): Reply => ({
  status,
  body: fixture(name),
  ...(headers ? { headers } : {}),
})
const notFound = (): Reply => ({
  status: 404,
  body: {
    error: {
      message: 'No such object.',
      type: 'invalid_request_error',
      param: null,
      code: 'not_found',
      clawrouter: { request_id: 'req_mock' },
    },
  },
})
const emptyPage = { items: [], next: null, total: { value: 0, exact: true }, as_of: '2026-11-20T14:02:11Z' }
const page = (items: Any[]) => ({ ...emptyPage, items, total: { value: items.length, exact: true } })
const word = (call: Call, name: string) => (call.query.get(name) ?? '').toLowerCase()

export function answer(call: Call): Reply {
  const [first = '', id] = call.parts
  if (first === 'session') return session(call)
  if (first === 'me')
    return call.scenario === 'out'
      ? failure(401, 'error-401')
      : ok(fixture(['operator', 'member'].includes(call.scenario) ? `me-${call.scenario}` : 'me'))
  if (call.scenario === 'error') return failure(503, 'error-500')
  if (call.scenario === 'forbidden') return failure(403, 'error-403')
  if (call.scenario === 'member' && !forMembers.includes(first)) return failure(403, 'error-403')
  if ((collections as readonly string[]).includes(first)) return documents(call, first, id)
  const route = routes[first]
  return route ? route(call) : notFound()
}

/** Everything else is closed to members. */
const forMembers = ['keys', 'requests', 'usage', 'candidates', 'route']

function session(call: Call): Reply {
  if (call.method === 'DELETE') return { status: 204, headers: { 'set-cookie': 'scenario=out; Path=/' } }
  if (call.body?.token === 'right') return { ...ok(fixture('me')), headers: { 'set-cookie': 'scenario=; Path=/' } }
  if (call.body?.token === 'locked') {
    const body = fixture('error-401')
    return {
      status: 429,
      body: { error: { ...body.error, code: 'rate_limited', message: 'Too many tries.' } },
      headers: { 'retry-after': '42' },
    }
  }
  return failure(401, 'error-401')
}

function documents(call: Call, collection: string, id: string | undefined): Reply {
  const store = call.state.documents[collection]
  if (!store) return notFound()
  const action = call.parts[2]
  if (id === undefined) {
    if (call.scenario === 'empty' && collection !== 'fusion-profiles') return ok(emptyPage)
    return ok(page([...store.values()].filter(item => item.document.id.toLowerCase().includes(word(call, 'q')))))
  }
  if (collection === 'models' && id === 'overview') {
    if (call.scenario === 'uncounted') return failure(503, 'error-500')
    const all = fixture('models-overview')
    return ok(call.scenario === 'empty' ? { ...all, providers: [], models: [] } : all)
  }
  if (collection === 'models' && action === 'policies') return ok({ ...fixture('model-policies'), model: id })
  if (collection === 'policies' && action === 'effect') {
    if (call.scenario === 'uncounted') return failure(503, 'error-500')
    const effect = fixture('policy-effect')
    // What only allows more refuses nothing.
    return ok(call.body.document.deny?.models?.length ? effect : { ...effect, refused: 0, models: [] })
  }
  const found = store.get(id)
  if (collection === 'fusion-profiles' && action) return fusion(call, id, action)
  if (collection === 'models' && action === 'verify')
    return ok({ ...fixture(/^(groq|deepseek)/.test(id) ? 'verified-failed' : 'verified'), model: id })
  if (collection === 'pools' && action === 'credentials') return credentials(call)
  if (collection === 'pools' && action === 'reset') return ok(fixture('pool-reset'))
  if (action === 'history') return ok(fixture('history'))
  if (action === 'rollback') return found ? ok({ ...found, revision: found.revision + 1 }) : notFound()
  if (call.method === 'GET') return found ? ok(found) : notFound()
  if (call.scenario === 'stale') return failure(412, 'error-412')
  if (call.method === 'DELETE') {
    store.delete(id)
    return ok({ id, deleted: true, catalog_revision: 43 })
  }
  if (!found && call.headers['if-none-match'] !== '*') return notFound()
  if (call.body?.id === 'refused') return failure(422, 'error-422')
  const saved = {
    ...(found ?? fixture('policy')),
    document: call.body,
    revision: (found?.revision ?? 0) + 1,
    source: 'admin',
    updated_at: '2026-11-20T14:05:00Z',
    updated_by: 'local-admin',
  }
  store.set(id, saved)
  return ok(saved, found ? 200 : 201)
}

function fusion(call: Call, id: string, action: string): Reply {
  const { state } = call
  const live = state.documents['fusion-profiles']?.get(id)
  if (!live) return notFound()
  if (state.draft.draft.id !== id)
    state.draft = {
      draft: live.document,
      base_revision: live.revision,
      live,
      updated_at: null,
      updated_by: null,
      changes: [],
    }
  switch (action) {
    case 'draft': {
      state.draft = { ...state.draft, live, base_revision: live.revision }
      if (call.method === 'PUT') {
        const draft = call.body.draft
        if (draft.synthesizer.model === '') return failure(422, 'error-422')
        const changes = [...new Set([...Object.keys(draft), ...Object.keys(live.document)])]
          .filter(key => JSON.stringify(draft[key]) !== JSON.stringify(live.document[key]))
          .map(key => ({ path: `/${key}`, before: live.document[key] ?? null, after: draft[key] ?? null }))
        state.draft = {
          draft,
          base_revision: live.revision,
          live,
          updated_at: '2026-11-20T14:05:00Z',
          updated_by: 'local-admin',
          changes,
        }
      } else if (call.method === 'DELETE') {
        state.draft = { ...fixture('fusion-draft-clean'), draft: live.document, live, base_revision: live.revision }
      }
      return ok(state.draft)
    }
    case 'readiness':
      return ok(fixture(call.scenario === 'none' || call.scenario === 'empty' ? 'readiness-none' : 'readiness'))
    case 'reprice':
      if (call.scenario === 'unpriced') return failure(503, 'error-500')
      return ok(
        call.scenario === 'none'
          ? { ...fixture('fusion-repriced'), requests: 0, unpriced: [] }
          : fixture('fusion-repriced'),
      )
    case 'preview': {
      const key = state.keys.find(item => item.kid === call.body.key)
      if (key?.revoked_at) return failure(403, 'error-403')
      return ok(fixture('fusion-preview'))
    }
    case 'listing':
      // The first question finds the location behind, the second up to date.
      state.asked++
      return ok({ ...fixture('fusion-listing'), ...(state.asked < 2 ? { current: false, edge_revision: 42 } : {}) })
    case 'enable':
    case 'disable': {
      const document =
        action === 'enable' ? { ...state.draft.draft, enabled: true } : { ...live.document, enabled: false }
      const next = {
        ...live,
        document,
        revision: live.revision + 1,
        updated_at: '2026-11-20T14:05:00Z',
        updated_by: 'local-admin',
      }
      state.documents['fusion-profiles']?.set(id, next)
      state.draft = {
        draft: document,
        base_revision: next.revision,
        live: next,
        updated_at: null,
        updated_by: null,
        changes: [],
      }
      return ok(next)
    }
    case 'history':
      return ok(fixture('history'))
    case 'rollback':
      return ok({ ...live, revision: live.revision + 1 })
    default:
      return notFound()
  }
}

function credentials(call: Call): Reply {
  const label = call.parts[3]
  if (call.method === 'GET') return ok({ items: call.scenario === 'empty' ? [] : call.state.credentials })
  if (call.method === 'DELETE') {
    call.state.credentials = call.state.credentials.filter(item => item.label !== label)
    return { status: 204 }
  }
  const saved = { ...fixture('credential'), label, last4: String(call.body.value).slice(-4) }
  call.state.credentials = [...call.state.credentials.filter(item => item.label !== label), saved]
  return ok(saved)
}

function keys(call: Call): Reply {
  const [, kid, action] = call.parts
  if (action === 'history') return ok(fixture('key-history'))
  if (action === 'rollback') return call.scenario === 'stale' ? failure(503, 'error-500') : ok(fixture('key-restored'))
  if (call.method === 'GET') {
    if (call.scenario === 'empty') return ok(emptyPage)
    const q = word(call, 'q')
    const policy = word(call, 'policy')
    return ok(
      page(
        call.state.keys.filter(
          key =>
            `${key.kid} ${key.label} ${key.principal}`.toLowerCase().includes(q) && (!policy || key.policy === policy),
        ),
      ),
    )
  }
  const old = call.state.keys.find(key => key.kid === kid)
  if (action === 'revoke') {
    if (old) Object.assign(old, { enabled: false, revoked_at: '2026-11-20T14:05:00Z' })
    return ok({ ...fixture('key-revoked'), kid })
  }
  const minted =
    action === 'rotate'
      ? { ...fixture('key-rotated'), replaces: kid, label: old?.label }
      : { ...fixture('key-minted'), ...call.body }
  const body = { ...minted, kid: minted.kid, policy: call.body.policy ?? old?.policy ?? 'default' }
  call.state.keys = [
    {
      ...(old ?? call.state.keys[0]),
      ...body,
      key: undefined,
      prefix: `clawrouter-live-${minted.kid}`,
      last4: 'e00x',
      last_used_at: null,
      budgets: [],
      enabled: true,
      revoked_at: null,
    },
    ...call.state.keys.filter(key => key.kid !== minted.kid),
  ]
  return ok(body, 201)
}

function requests(call: Call): Reply {
  const id = call.parts[1]
  if (id === 'figures') {
    if (call.scenario === 'uncounted') return failure(503, 'error-500')
    const figures = fixture('request-figures')
    if (call.scenario === 'empty') return ok({ ...figures, requests: 0, errors: 0, cost_usd: 0, bars: [] })
    return ok(call.query.get('from') ? { ...figures, complete: true, requests: 41, errors: 2 } : figures)
  }
  if (id) {
    const row = call.state.requests.find(item => item.request_id === id)
    if (!row) return id === 'req_01K9TESTPROMPT' ? ok(fixture('trace')) : notFound()
    if (call.parts[2] === 'content') return content(call, id)
    const trace = fixture(row.class === 'overloaded' ? 'trace-failed' : 'trace')
    return ok({
      ...trace,
      ...row,
      ...(call.scenario.startsWith('kept') ? { content: kept(call.scenario) } : {}),
      spans:
        row.strategy === 'fusion' || row.class === 'overloaded'
          ? trace.spans
          : trace.spans.filter((span: Any) => ['route', 'synthesizer'].includes(span.stage)),
    })
  }
  if (call.scenario === 'empty') return ok(emptyPage)
  const status = call.query.get('status')
  const hit = (row: Any) =>
    (!status ||
      (status === 'error'
        ? row.status >= 400
        : status === 'ok'
          ? row.status < 400
          : status === 'degraded'
            ? row.degraded
            : String(row.status).startsWith(status))) &&
    (!word(call, 'strategy') || row.strategy === word(call, 'strategy')) &&
    (!word(call, 'session') || row.session === call.query.get('session')) &&
    (!word(call, 'key') || row.kid === call.query.get('key')) &&
    row.cost_usd > Number(call.query.get('cost_over_usd') ?? -1) &&
    row.duration_ms > Number(call.query.get('duration_over_ms') ?? -1) &&
    (!word(call, 'policy') || row.policy === word(call, 'policy')) &&
    (!word(call, 'model') ||
      row.requested_model.includes(word(call, 'model')) ||
      row.served_model?.includes(word(call, 'model'))) &&
    (!word(call, 'q') || JSON.stringify(row).toLowerCase().includes(word(call, 'q')))
  const items = call.state.requests.filter(hit)
  return ok(items.length === call.state.requests.length ? { ...fixture('requests'), items } : page(items))
}

const kept = (scenario: string) => ({
  kept: true,
  object: 'content/team-research/2026-11-20/x',
  expires_at: scenario === 'kept-expired' ? '2026-11-19T00:00:00Z' : '2099-11-28T00:00:00Z',
})

/** The scenarios: kept, kept-long, kept-failing, kept-expired. */
function content(call: Call, id: string): Reply {
  if (call.scenario === 'kept-failing') return failure(503, 'error-500')
  if (call.state.deleted.has(id)) {
    const { error } = notFound().body
    return {
      status: 404,
      body: { error: { ...error, clawrouter: { ...error.clawrouter, reason: 'content_deleted' } } },
    }
  }
  if (call.method === 'DELETE') {
    call.state.deleted.add(id)
    return { status: 204 }
  }
  const body = { ...fixture('content'), request_id: id }
  if (call.scenario !== 'kept-long') return ok(body)
  const text = JSON.stringify({ messages: [{ role: 'user', content: `${'long '.repeat(40_000)}the end` }] })
  return ok({ ...body, request: { text, bytes: 1_500_000, truncated: true } })
}

function discover(call: Call): Reply {
  const url = String(call.body?.base_url ?? '')
  if (url.startsWith('http://')) return ok({ ...fixture('discovered-refused'), base_url: url })
  return ok(fixture(url.includes('open') ? 'discovered-open' : 'discovered'))
}

const list = (name: string) => (call: Call) => ok(call.scenario === 'empty' ? emptyPage : fixture(name))

const routes: Record<string, (call: Call) => Reply> = {
  keys,
  requests,
  candidates: call => {
    const all = fixture('candidates')
    return ok(call.scenario === 'empty' ? { ...all, items: [] } : all)
  },
  settings: call => {
    if (call.parts[2] === 'history') return ok(fixture('history'))
    if (call.method === 'PUT')
      call.state.settings = { ...call.state.settings, document: call.body, revision: call.state.settings.revision + 1 }
    return ok(call.state.settings)
  },
  local: discover,
  health: call => {
    const health = fixture('health')
    return ok(call.scenario === 'empty' ? { ...health, targets: [], pools: [], providers: [] } : health)
  },
  sessions: call => {
    if (call.method === 'DELETE') {
      call.state.sessions = call.state.sessions.filter(item => item.session !== call.parts[1])
      return { status: 204 }
    }
    return ok(call.scenario === 'empty' ? emptyPage : page(call.state.sessions))
  },
  usage: call => {
    const group = call.query.get('group') ?? 'policy'
    const report = fixture(['day', 'model', 'provider'].includes(group) ? `usage-${group}` : 'usage-policy')
    if (call.scenario !== 'empty') return ok(report)
    return ok({
      ...report,
      groups: [],
      total: { requests: 0, errors: 0, input_tokens: 0, output_tokens: 0, cached_tokens: 0, cost_usd: 0 },
    })
  },
  route: call =>
    ok(
      String(call.body?.model).startsWith('clawrouter/fusion') ? fixture('trace').explanation : fixture('explanation'),
    ),
  audit: list('audit'),
  export: () => ok(fixture('export')),
  import: () => ok(fixture('imported')),
  setup: call => ok(fixture(call.scenario === 'empty' ? 'setup' : 'setup-done')),
}

/** The test prompt: the golden events, a few milliseconds apart. */
export async function stream(call: Call, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  let closed = false
  response.on('close', () => {
    closed = true
  })
  const slow = String(call.body?.prompt ?? '').startsWith('slow')
  for (const event of fixture('fusion-test')) {
    if (closed) return
    response.write(`data: ${JSON.stringify(event)}\n\n`)
    await new Promise(done => setTimeout(done, slow ? 200 : 15))
  }
  response.end()
}
