import { render, screen } from '@testing-library/preact'
import userEvent from '@testing-library/user-event'
import { useState } from 'preact/hooks'
import { describe, expect, it, vi } from 'vitest'
import { Combobox, type Option, visibleOptions } from './combobox.tsx'

const options: Option[] = [
  { value: 'x/off', text: 'x/off', group: 'x', disabled: true, note: 'Provider x is off.' },
  { value: 'a/one', text: 'a/one', group: 'a' },
  { value: 'a/two', text: 'a/two', group: 'a' },
  { value: 'b/one', text: 'b/one', group: 'b' },
]
const user = userEvent.setup()

function Example({ free = false, onChange = () => {} }: { free?: boolean; onChange?: (value: string) => void }) {
  const [value, setValue] = useState('a/one')
  return (
    <Combobox
      label="Model"
      value={value}
      options={options}
      free={free}
      onChange={next => {
        onChange(next)
        setValue(next)
      }}
    />
  )
}

describe('visibleOptions', () => {
  it('puts what cannot be used last and wants every word', () => {
    expect(visibleOptions(options, '').map(option => option.value)).toEqual(['a/one', 'a/two', 'b/one', 'x/off'])
    expect(visibleOptions(options, 'one b').map(option => option.value)).toEqual(['b/one'])
  })
})

describe('Combobox', () => {
  it('typing what is chosen already changes nothing', async () => {
    const change = vi.fn()
    render(<Example onChange={change} />)
    const input = screen.getByRole('combobox')
    for (let i = 0; i < 2; i++) {
      await user.clear(input)
      await user.type(input, 'b/one{Enter}')
    }
    expect(change.mock.calls).toEqual([['b/one']])
  })
  it('opens with the arrow, moves, chooses with Enter', async () => {
    const change = vi.fn()
    render(<Example onChange={change} />)
    const input = screen.getByRole('combobox', { name: 'Model' })
    input.focus()
    await user.keyboard('{ArrowDown}')
    expect(input.getAttribute('aria-expanded')).toBe('true')
    await user.keyboard('{ArrowDown}{Enter}')
    expect(change).toHaveBeenCalledWith('a/two')
    expect(input.getAttribute('aria-expanded')).toBe('false')
  })
  it('filters while typing and closes with Escape without a change', async () => {
    const change = vi.fn()
    render(<Example onChange={change} />)
    const input = screen.getByRole('combobox', { name: 'Model' })
    await user.clear(input)
    await user.type(input, 'b/')
    expect(screen.getAllByRole('option').map(option => option.textContent)).toEqual(['b/one'])
    await user.keyboard('{Escape}')
    expect(screen.queryByRole('listbox')).toBeNull()
    expect(change).not.toHaveBeenCalled()
  })
  it('refuses an option that cannot be used, and shows why', async () => {
    const change = vi.fn()
    render(<Example onChange={change} />)
    await user.click(screen.getByRole('combobox', { name: 'Model' }))
    const option = screen.getByRole('option', { name: /x\/off/ })
    expect(option.getAttribute('aria-disabled')).toBe('true')
    expect(option.textContent).toContain('Provider x is off.')
    await user.click(option)
    expect(change).not.toHaveBeenCalled()
  })
  it('keeps free text only when allowed', async () => {
    const change = vi.fn()
    const { unmount } = render(<Example onChange={change} />)
    let input = screen.getByRole('combobox', { name: 'Model' })
    await user.clear(input)
    await user.type(input, 'c/new')
    await user.tab()
    expect(change).not.toHaveBeenCalled()
    unmount()
    render(<Example free onChange={change} />)
    input = screen.getByRole('combobox', { name: 'Model' })
    await user.clear(input)
    await user.type(input, 'c/new')
    await user.tab()
    expect(change).toHaveBeenCalledWith('c/new')
  })
})
