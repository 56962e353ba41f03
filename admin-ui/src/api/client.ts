/** The one place that talks to `/admin/api`: headers, errors, revisions, and the shape check of every answer. */
import * as v from 'valibot'
import { sample, sampleAnswer } from './sample.ts'

export type Fetch = typeof fetch

/** What a failed call says. `code` is from docs/admin-api.md, or one of the page's own: `network`, `unexpected_answer`. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly param: string | null
  readonly requestId: string | null
  readonly reason: string | null
  readonly retryAfterSeconds: number | null
  /** The newer document of a 412. */
  readonly current: unknown
  /** How to sign in, with a 401. */
  readonly signIn: string | null

  constructor(fields: {
    status: number
    code: string
    message: string
    param?: string | null
    requestId?: string | null
    reason?: string | null
    retryAfterSeconds?: number | null
    current?: unknown
    signIn?: string | null
  }) {
    super(fields.message)
    this.name = 'ApiError'
    this.status = fields.status
    this.code = fields.code
    this.param = fields.param ?? null
    this.requestId = fields.requestId ?? null
    this.reason = fields.reason ?? null
    this.retryAfterSeconds = fields.retryAfterSeconds ?? null
    this.current = fields.current
    this.signIn = fields.signIn ?? null
  }
}

export interface CallOptions {
  body?: unknown
  /** Revision this write is based on; `new` creates. */
  revision?: number | 'new'
  signal?: AbortSignal
}

type Listener = () => void
let onSignedOut: Listener = () => {}

/** Called once the Worker says that this page is no longer signed in. */
export function whenSignedOut(listener: Listener): void {
  onSignedOut = listener
}

function headersFor(method: string, options: CallOptions): Headers {
  const headers = new Headers({ accept: 'application/json' })
  if (method !== 'GET') {
    headers.set('content-type', 'application/json')
    headers.set('x-clawrouter-csrf', '1')
  }
  if (options.revision === 'new') headers.set('if-none-match', '*')
  else if (options.revision !== undefined) headers.set('if-match', `"${options.revision}"`)
  return headers
}

const Failure = v.object({
  error: v.object({
    message: v.string(),
    code: v.nullish(v.string()),
    param: v.nullish(v.string()),
    clawrouter: v.nullish(
      v.object({
        request_id: v.nullish(v.string()),
        reason: v.nullish(v.unknown()),
        current: v.optional(v.unknown()),
        sign_in: v.nullish(v.string()),
      }),
    ),
  }),
})

/** Turns a failed response into an ApiError, whatever its body is. */
export async function failureOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '')
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined
  }
  const parsed = v.safeParse(Failure, body)
  const retryAfter = Number(response.headers.get('retry-after'))
  const shared = {
    status: response.status,
    retryAfterSeconds: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
    requestId: response.headers.get('x-request-id'),
  }
  if (!parsed.success) {
    return new ApiError({
      ...shared,
      code: 'unexpected_answer',
      message: `The Worker answered ${response.status} without an error document.`,
    })
  }
  const { message, code, param, clawrouter } = parsed.output.error
  return new ApiError({
    ...shared,
    code: code ?? 'error',
    message,
    param: param ?? null,
    requestId: clawrouter?.request_id ?? shared.requestId,
    reason: typeof clawrouter?.reason === 'string' ? clawrouter.reason : null,
    current: clawrouter?.current,
    signIn: clawrouter?.sign_in ?? null,
  })
}

export const notInSample = (): ApiError =>
  new ApiError({ status: 0, code: 'sample', message: 'Sample data cannot do this. Leave the sample first.' })

/** Sends one call and returns the raw response; a failure is thrown as ApiError. */
export async function send(method: string, path: string, options: CallOptions = {}): Promise<Response> {
  if (sample.value) {
    const found = sampleAnswer(sample.value, method, path)
    if (found !== undefined) return Response.json(found)
    throw notInSample()
  }
  let response: Response
  try {
    response = await fetch(`/admin/api/${path}`, {
      method,
      headers: headersFor(method, options),
      credentials: 'same-origin',
      cache: 'no-store',
      ...(method === 'GET' ? {} : { body: JSON.stringify(options.body ?? {}) }),
      ...(options.signal ? { signal: options.signal } : {}),
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError({
      status: 0,
      code: 'network',
      message: 'The Worker could not be reached. Check the connection, then retry.',
    })
  }
  if (response.ok) return response
  const failure = await failureOf(response)
  if (failure.status === 401 && path !== 'session') onSignedOut()
  throw failure
}

/** Sends one call and parses the answer with its schema. */
export async function call<S extends v.GenericSchema>(
  schema: S,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<v.InferOutput<S>> {
  const response = await send(method, path, options)
  const body: unknown = response.status === 204 ? null : await response.json().catch(() => undefined)
  const parsed = v.safeParse(schema, body)
  if (parsed.success) return parsed.output
  const issue = parsed.issues[0]
  const where = v.getDotPath(issue) ?? 'the answer'
  throw new ApiError({
    status: response.status,
    code: 'unexpected_answer',
    message: `The Worker's answer to ${path} does not fit this page (${where}: ${issue.message}). Reload; if it stays, page and Worker are of different builds.`,
    requestId: response.headers.get('x-request-id'),
  })
}

export const get = <S extends v.GenericSchema>(schema: S, path: string, signal?: AbortSignal) =>
  call(schema, 'GET', path, signal ? { signal } : {})

export const post = <S extends v.GenericSchema>(schema: S, path: string, body: unknown = {}, signal?: AbortSignal) =>
  call(schema, 'POST', path, signal ? { body, signal } : { body })
