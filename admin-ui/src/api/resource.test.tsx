import { render, screen, waitFor } from '@testing-library/preact'
import { describe, expect, it, vi } from 'vitest'
import { ApiError } from './client.ts'
import { forgetAll, invalidate, useResource } from './resource.ts'

function Show({ name, fetcher }: { name: string; fetcher: () => Promise<string> }) {
  const resource = useResource(name, fetcher)
  return (
    <p>
      {resource.data ?? 'none'} {resource.error?.code ?? 'fine'}
    </p>
  )
}

describe('useResource', () => {
  it('shows cached data at once to a second reader and fetches once', async () => {
    forgetAll()
    const fetcher = vi.fn(async () => 'v1')
    const first = render(<Show name="a" fetcher={fetcher} />)
    await screen.findByText('v1 fine')
    first.unmount()
    render(<Show name="a" fetcher={fetcher} />)
    expect(screen.getByText('v1 fine')).toBeTruthy()
    expect(fetcher).toHaveBeenCalledOnce()
  })
  it('keeps old data beside an error', async () => {
    forgetAll()
    const fetcher = vi
      .fn<() => Promise<string>>()
      .mockResolvedValueOnce('v1')
      .mockRejectedValueOnce(new ApiError({ status: 503, code: 'overloaded', message: '' }))
    render(<Show name="b" fetcher={fetcher} />)
    await screen.findByText('v1 fine')
    invalidate('b')
    await screen.findByText('v1 overloaded')
  })
  it('keeps showing the family while the key changes, and drops it for another family', async () => {
    forgetAll()
    const { rerender } = render(<Show name="list?x" fetcher={async () => 'x'} />)
    await screen.findByText('x fine')
    rerender(<Show name="list?y" fetcher={() => new Promise(() => {})} />)
    expect(screen.getByText('x fine')).toBeTruthy()
    rerender(<Show name="other" fetcher={() => new Promise(() => {})} />)
    expect(screen.getByText('none fine')).toBeTruthy()
  })
  it('refetches what is on screen when it is invalidated', async () => {
    forgetAll()
    let version = 1
    render(<Show name="keys?" fetcher={async () => `v${version++}`} />)
    await screen.findByText('v1 fine')
    invalidate('keys')
    await waitFor(() => expect(screen.getByText('v2 fine')).toBeTruthy())
  })
})
