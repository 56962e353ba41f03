// A stand-in for the Worker: serves the built page with its real headers and answers /admin/api from the golden fixtures.
// Each browser context names its own state with the cookie `mock`, and a situation with the cookie `scenario`.
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { answer, type Reply, stream } from './answers.ts'
import { chat } from './chat.ts'
import { stateOf } from './state.ts'

const port = Number(process.env['PORT'] ?? 4174)
const dist = join(import.meta.dirname, '../../dist')

if (!existsSync(join(dist, 'admin/index.html'))) {
  console.error('The page is not built: run npm run build first.')
  process.exit(1)
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
}

/** The rules of dist/_headers that apply to a path, in order. */
function assetHeaders(path: string): Record<string, string> {
  const headers: Record<string, string> = {}
  let applies = false
  for (const line of readFileSync(join(dist, '_headers'), 'utf8').split('\n')) {
    if (line.startsWith('/')) applies = line.endsWith('*') ? path.startsWith(line.slice(0, -1)) : path === line
    else if (applies && line.includes(':'))
      headers[line.slice(0, line.indexOf(':')).trim()] = line.slice(line.indexOf(':') + 1).trim()
  }
  return headers
}

function serveAsset(path: string, response: ServerResponse): void {
  const known = extname(path) in types
  const file = normalize(known ? path : '/admin/index.html')
  try {
    const body = readFileSync(join(dist, file))
    response
      .writeHead(200, { ...assetHeaders(file), 'content-type': types[extname(file)] ?? 'application/octet-stream' })
      .end(body)
  } catch {
    response.writeHead(404).end('not found')
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  return text ? JSON.parse(text) : null
}

function cookiesOf(request: IncomingMessage): Record<string, string> {
  const pairs = (request.headers.cookie ?? '').split(';').map(pair => pair.trim().split('=') as [string, string?])
  return Object.fromEntries(pairs.map(([name, value]) => [name, decodeURIComponent(value ?? '')]))
}

function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-request-id': 'req_mock',
    ...reply.headers,
  })
  response.end(reply.body === undefined ? undefined : JSON.stringify(reply.body))
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://mock')
  const path = decodeURI(url.pathname)
  if (url.pathname === '/v1/chat/completions') return chat(await bodyOf(request), request, response)
  if (!url.pathname.startsWith('/admin/api/')) {
    if (!path.startsWith('/admin')) return void response.writeHead(302, { location: '/admin' }).end()
    return serveAsset(path, response)
  }
  const cookies = cookiesOf(request)
  const call = {
    method: request.method ?? 'GET',
    parts: url.pathname.slice('/admin/api/'.length).split('/').map(decodeURIComponent),
    query: url.searchParams,
    body: request.method === 'GET' ? null : await bodyOf(request),
    headers: request.headers,
    scenario: cookies['scenario'] ?? '',
    state: stateOf(cookies['mock'] ?? 'shared'),
  }
  if (
    call.method !== 'GET' &&
    (request.headers['x-clawrouter-csrf'] !== '1' || request.headers['content-type'] !== 'application/json')
  ) {
    return send(response, {
      status: 403,
      body: {
        error: {
          message: 'Missing CSRF header.',
          type: 'permission_error',
          param: null,
          code: 'forbidden',
          clawrouter: { request_id: 'req_mock' },
        },
      },
    })
  }
  if (call.parts.at(-1) === 'test' && call.method === 'POST' && call.scenario !== 'error') return stream(call, response)
  send(response, answer(call))
}

createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    console.error(error)
    if (!response.headersSent) response.writeHead(500)
    response.end()
  })
}).listen(port, '127.0.0.1', () => console.log(`mock admin API on http://127.0.0.1:${port}/admin`))
