import * as v from 'valibot'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError, call, whenSignedOut } from './client.ts'

const Thing = v.object({ id: v.string() })
const fetched = vi.fn<typeof fetch>()

beforeEach(() => vi.stubGlobal('fetch', fetched))
afterEach(() => {
  vi.unstubAllGlobals()
  fetched.mockReset()
})

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  fetched.mockResolvedValueOnce(
    new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers }),
  )

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ApiError)
  return error as ApiError
}

describe('call', () => {
  it('sends no body and no CSRF header with a GET', async () => {
    answer(200, { id: 'x' })
    await expect(call(Thing, 'GET', 'things/x')).resolves.toEqual({ id: 'x' })
    const [url, init] = fetched.mock.calls[0] ?? []
    expect(url).toBe('/admin/api/things/x')
    const headers = new Headers(init?.headers)
    expect(headers.get('x-clawrouter-csrf')).toBeNull()
    expect(init?.body).toBeUndefined()
  })

  it('sends content type, CSRF header and the revision with a write', async () => {
    answer(200, { id: 'x' })
    await call(Thing, 'PUT', 'things/x', { body: { a: 1 }, revision: 7 })
    const headers = new Headers(fetched.mock.calls[0]?.[1]?.headers)
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('x-clawrouter-csrf')).toBe('1')
    expect(headers.get('if-match')).toBe('"7"')
  })

  it('creates with If-None-Match', async () => {
    answer(201, { id: 'x' })
    await call(Thing, 'PUT', 'things/x', { body: {}, revision: 'new' })
    const headers = new Headers(fetched.mock.calls[0]?.[1]?.headers)
    expect(headers.get('if-none-match')).toBe('*')
    expect(headers.get('if-match')).toBeNull()
  })

  it('reads every part of an error document', async () => {
    answer(
      412,
      {
        error: {
          message: 'newer',
          type: 'x',
          param: '/a',
          code: 'revision_mismatch',
          clawrouter: { request_id: 'req_1', current: { revision: 8 } },
        },
      },
      { 'retry-after': '12' },
    )
    const error = await failure(call(Thing, 'PUT', 'things/x', { revision: 7 }))
    expect(error).toMatchObject({
      status: 412,
      code: 'revision_mismatch',
      param: '/a',
      requestId: 'req_1',
      current: { revision: 8 },
      retryAfterSeconds: 12,
    })
  })

  it.each([
    ['an HTML error', 502, '<html>', 'unexpected_answer'],
    ['an answer of another shape', 200, { name: 'x' }, 'unexpected_answer'],
    ['a body that is not JSON', 200, 'nope', 'unexpected_answer'],
  ])('says so for %s', async (_name, status, body, code) => {
    answer(status, body)
    expect((await failure(call(Thing, 'GET', 'things/x'))).code).toBe(code)
  })

  it('turns a broken connection into an error with advice', async () => {
    fetched.mockRejectedValueOnce(new TypeError('Failed to fetch'))
    expect(await failure(call(Thing, 'GET', 'x'))).toMatchObject({ code: 'network', status: 0 })
  })

  it('tells the page when the session ended, but not for a refused sign-in', async () => {
    const ended = vi.fn()
    whenSignedOut(ended)
    answer(401, { error: { message: 'no', code: 'invalid_admin_token' } })
    await failure(call(Thing, 'POST', 'session'))
    expect(ended).not.toHaveBeenCalled()
    answer(401, { error: { message: 'no', code: 'invalid_admin_token' } })
    await failure(call(Thing, 'GET', 'me'))
    expect(ended).toHaveBeenCalledOnce()
    whenSignedOut(() => {})
  })
})
