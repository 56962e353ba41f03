/** The kit by role and keyboard, as the ARIA patterns want it. */
import { render, screen, waitFor, within } from '@testing-library/preact'
import userEvent from '@testing-library/user-event'
import { useState } from 'preact/hooks'
import { LocationProvider } from 'preact-iso'
import { describe, expect, it, vi } from 'vitest'
import { ApiError } from '../api/client.ts'
import { Button, IconButton, TextButton } from './button.tsx'
import { Callout } from './callout.tsx'
import { Chip, Slot } from './chip.tsx'
import { Code } from './code.tsx'
import { Copy } from './copy.tsx'
import { Dialog } from './dialog.tsx'
import { Diff, diffOf } from './diff.tsx'
import { csv } from './download.ts'
import { NumberInput, parseNumber, TextInput } from './field.tsx'
import { EmptyFiltered, ErrorBox, Loaded } from './loaded.tsx'
import MarkdownView from './markdown-view.tsx'
import { Menu } from './menu.tsx'
import { Meter } from './meter.tsx'
import { Page } from './page.tsx'
import { Figures, Panel } from './panel.tsx'
import { SearchBox } from './search.tsx'
import { Select } from './select.tsx'
import { Slider } from './slider.tsx'
import { Switch } from './switch.tsx'
import { sorted, Table } from './table.tsx'
import { Tabs } from './tabs.tsx'
import { ToastRegion, toast } from './toast.tsx'

const user = userEvent.setup()

describe('Button', () => {
  it('runs, and refuses while busy or disabled, saying why', async () => {
    const run = vi.fn()
    const { rerender } = render(<Button onClick={run}>Save</Button>)
    await user.click(screen.getByRole('button', { name: 'Save' }))
    rerender(
      <Button busy onClick={run}>
        Save
      </Button>,
    )
    await user.click(screen.getByRole('button', { name: 'Save' }))
    rerender(
      <Button disabled why="Nothing changed" onClick={run}>
        Save
      </Button>,
    )
    await user.click(screen.getByRole('button', { name: 'Save (Nothing changed)' }))
    expect(run).toHaveBeenCalledOnce()
  })
  it('names an icon and a text button', () => {
    render(
      <>
        <IconButton icon="close" label="Close" />
        <TextButton onClick={() => {}}>Retry</TextButton>
      </>,
    )
    expect(screen.getByRole('button', { name: 'Close' })).toBeTruthy()
    expect(screen.getByRole('button', { name: 'Retry' })).toBeTruthy()
  })
})

describe('Chip and Slot', () => {
  it('carry a word beside the glyph', () => {
    render(
      <>
        <Chip tone="bad">blocked</Chip>
        <Slot name="A1" />
      </>,
    )
    expect(screen.getByText('blocked')).toBeTruthy()
    expect(screen.getByText('A1').className).toContain('slot-adviser')
  })
})

describe('Callout', () => {
  it('is an alert only when asked to be', () => {
    render(
      <>
        <Callout>quiet</Callout>
        <Callout alert>loud</Callout>
      </>,
    )
    expect(screen.getAllByRole('alert')).toHaveLength(1)
  })
})

describe('Field', () => {
  it('ties hint and error to the input', () => {
    const { rerender } = render(<TextInput label="Name" value="" onInput={() => {}} hint="Shown in usage" />)
    const input = screen.getByLabelText('Name')
    expect(document.getElementById(input.getAttribute('aria-describedby') ?? '')?.textContent).toBe('Shown in usage')
    rerender(<TextInput label="Name" value="" onInput={() => {}} hint="Shown in usage" error="Taken" />)
    expect(input.getAttribute('aria-invalid')).toBe('true')
    expect(screen.queryByText('Shown in usage')).toBeNull()
  })

  it.each([
    ['12', {}, { value: 12 }],
    [' 1,000 ', {}, { value: 1000 }],
    ['', { optional: true }, { value: null }],
    ['', {}, { problem: 'Enter a number.' }],
    ['x', {}, { problem: 'Enter a number.' }],
    ['1.5', { integer: true }, { problem: 'Enter a whole number.' }],
    ['0', { min: 1, max: 8 }, { problem: 'Enter a number between 1 and 8.' }],
    ['-1', { min: 0 }, { problem: 'Enter a number of at least 0.' }],
  ])('reads the number %j', (text, rules, expected) => expect(parseNumber(text, rules)).toEqual(expected))

  it('commits a number on blur and keeps a wrong one with its problem', async () => {
    const change = vi.fn()
    render(<NumberInput label="Quorum" value={2} min={1} max={8} onChange={change} />)
    const input = screen.getByLabelText('Quorum')
    await user.clear(input)
    await user.type(input, '99')
    await user.tab()
    expect(await screen.findByText('Enter a number between 1 and 8.')).toBeTruthy()
    expect(change).not.toHaveBeenCalled()
    await user.clear(input)
    await user.type(input, '3{Enter}')
    expect(change).toHaveBeenCalledWith(3)
  })
})

describe('Select, Switch, Slider, SearchBox', () => {
  it('report their value', async () => {
    const change = vi.fn()
    render(
      <>
        <Select
          label="Policy"
          value="a"
          onChange={change}
          choices={[
            { value: 'a', text: 'A' },
            { value: 'b', text: 'B' },
          ]}
        />
        <Switch label="Judge" on={false} onChange={change} />
        <SearchBox label="Filter" value="" onChange={change} />
      </>,
    )
    await user.selectOptions(screen.getByLabelText('Policy'), 'b')
    await user.click(screen.getByRole('switch', { name: 'Judge' }))
    await user.type(screen.getByLabelText('Filter'), 'mini{Enter}')
    expect(change.mock.calls.map(call => call[0])).toEqual(['b', true, 'mini'])
  })
  it('says the value of a slider in words', () => {
    render(
      <Slider
        label="Weight"
        value={0.3}
        min={0}
        max={1}
        step={0.1}
        onInput={() => {}}
        show={value => value.toFixed(2)}
      />,
    )
    expect(screen.getByLabelText('Weight').getAttribute('aria-valuetext')).toBe('0.30')
  })
})

describe('Tabs', () => {
  function Example() {
    const [tab, setTab] = useState('a')
    return (
      <Tabs
        name="t"
        label="View"
        active={tab}
        onChange={setTab}
        tabs={[
          { id: 'a', text: 'A' },
          { id: 'b', text: 'B' },
          { id: 'c', text: 'C' },
        ]}
      />
    )
  }
  it('moves with arrows, wraps, jumps with Home and End, and has one tab stop', async () => {
    render(<Example />)
    const selected = () => screen.getByRole('tab', { selected: true }).textContent
    screen.getByRole('tab', { name: 'A' }).focus()
    await user.keyboard('{ArrowRight}')
    expect(selected()).toBe('B')
    await user.keyboard('{End}')
    expect(selected()).toBe('C')
    await user.keyboard('{ArrowRight}')
    expect(selected()).toBe('A')
    await user.keyboard('{ArrowLeft}')
    expect(selected()).toBe('C')
    await user.keyboard('{Home}')
    expect(selected()).toBe('A')
    expect(screen.getAllByRole('tab').filter(tab => tab.tabIndex === 0)).toHaveLength(1)
  })
})

describe('Dialog', () => {
  function Example({ locked = false }: { locked?: boolean }) {
    const [open, setOpen] = useState(false)
    return (
      <>
        <button type="button" onClick={() => setOpen(true)}>
          Open
        </button>
        {open && (
          <Dialog title="Revoke" locked={locked} onClose={() => setOpen(false)}>
            <input aria-label="Name" />
          </Dialog>
        )}
      </>
    )
  }
  it('starts at the first input and gives the focus back', async () => {
    render(<Example />)
    await user.click(screen.getByRole('button', { name: 'Open' }))
    await waitFor(() => expect(document.activeElement).toBe(screen.getByLabelText('Name')))
    await user.click(screen.getByRole('button', { name: 'Close' }))
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    await waitFor(() => expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Open' })))
  })
  it('has no way out while locked', async () => {
    render(<Example locked />)
    await user.click(screen.getByRole('button', { name: 'Open' }))
    const dialog = await screen.findByRole('dialog')
    expect(screen.queryByRole('button', { name: 'Close' })).toBeNull()
    dialog.dispatchEvent(new Event('cancel', { cancelable: true }))
    expect(screen.getByRole('dialog')).toBeTruthy()
  })
})

describe('Menu', () => {
  it('opens on its first item, moves, runs, and returns the focus', async () => {
    const run = vi.fn()
    render(
      <Menu
        label="Actions"
        items={[{ text: 'Rotate', onSelect: run }, false, { text: 'Revoke', onSelect: run, danger: true }]}
      />,
    )
    const button = screen.getByRole('button', { name: 'Actions' })
    await user.click(button)
    await waitFor(() => expect(document.activeElement?.textContent).toBe('Rotate'))
    await user.keyboard('{ArrowDown}')
    expect(document.activeElement?.textContent).toBe('Revoke')
    await user.keyboard('{Escape}')
    expect(screen.queryByRole('menu')).toBeNull()
    expect(document.activeElement).toBe(button)
    await user.click(button)
    await user.click(screen.getByRole('menuitem', { name: 'Revoke' }))
    expect(run).toHaveBeenCalledOnce()
  })
  it('is not there without items', () => {
    const { container } = render(<Menu label="Actions" items={[null, false]} />)
    expect(container.textContent).toBe('')
  })
})

describe('Table', () => {
  const rows = [
    { id: 'b', cost: 2 },
    { id: 'a', cost: 10 },
    { id: 'c', cost: 1 },
  ]
  it('sorts by words and by numbers', () => {
    expect(sorted(rows, row => row.id, false).map(row => row.id)).toEqual(['a', 'b', 'c'])
    expect(sorted(rows, row => row.cost, true).map(row => row.cost)).toEqual([10, 2, 1])
    expect(sorted(rows, undefined, false)).toBe(rows)
  })
  it('sorts by its header button and says so', async () => {
    render(
      <LocationProvider>
        <Table
          label="Costs"
          rows={rows}
          rowKey={row => row.id}
          columns={[
            { id: 'id', head: 'Id', cell: row => row.id, sort: row => row.id },
            { id: 'cost', head: 'Cost', number: true, cell: row => row.cost, sort: row => row.cost },
          ]}
        />
      </LocationProvider>,
    )
    const order = () =>
      screen
        .getAllByRole('rowheader')
        .map(cell => cell.textContent)
        .join('')
    await user.click(screen.getByRole('button', { name: 'Cost' }))
    expect(order()).toBe('abc')
    expect(screen.getByRole('columnheader', { name: /Cost/ }).getAttribute('aria-sort')).toBe('descending')
    await user.click(screen.getByRole('button', { name: /Cost/ }))
    expect(order()).toBe('cba')
  })
})

describe('Toast', () => {
  it('shows, runs its action and leaves', async () => {
    const undo = vi.fn()
    render(<ToastRegion />)
    toast('It is off.', { action: { text: 'Undo', run: undo } })
    const shown = await screen.findByText('It is off.')
    expect(within(screen.getByRole('status')).getByText('It is off.')).toBe(shown)
    await user.click(screen.getByRole('button', { name: 'Undo' }))
    expect(undo).toHaveBeenCalledOnce()
    await waitFor(() => expect(screen.queryByText('It is off.')).toBeNull())
  })
})

describe('Copy', () => {
  it('says on the button that it copied', async () => {
    const { getByRole } = render(<Copy text="secret" />)
    await user.click(getByRole('button', { name: 'Copy' }))
    expect(await screen.findByRole('button', { name: 'Copied' })).toBeTruthy()
    expect(await navigator.clipboard.readText()).toBe('secret')
  })
})

describe('Code', () => {
  it('is reachable by keyboard and named', () => {
    render(<Code text="x" label="First request" />)
    expect(screen.getByRole('region', { name: 'First request' }).tabIndex).toBe(0)
  })
})

describe('Diff', () => {
  it.each([
    [{ a: 1 }, { a: 1 }, []],
    [{ a: 1 }, { a: 2 }, ['/a']],
    [{ a: [1, 2] }, { a: [1, 3] }, ['/a/1']],
    [{ a: [1] }, { a: [1, 2] }, ['/a']],
    [{ a: { b: 1 } }, { a: { b: 1, c: 2 } }, ['/a/c']],
    [{ a: 1 }, {}, ['/a']],
    [null, { a: 1 }, ['/']],
  ])('finds what differs', (before, after, paths) =>
    expect(diffOf(before, after).map(change => change.path)).toEqual(paths),
  )
  it('reads out before and after', () => {
    render(<Diff changes={[{ path: '/judge/model', before: 'a', after: 'b' }]} />)
    expect(screen.getByText('judge › model')).toBeTruthy()
    expect(screen.getByText('before:')).toBeTruthy()
    expect(screen.getByText('after:')).toBeTruthy()
  })
})

describe('Meter', () => {
  it('says its value in words', () => {
    render(<Meter label="Budget" spent={8.2} reserved={0.02} limit={50} />)
    expect(screen.getByRole('meter', { name: 'Budget' }).getAttribute('aria-valuetext')).toBe('$8.20 of $50.00 spent')
  })
})

describe('Page, Panel, Figures', () => {
  it('set the title and name the parts', () => {
    render(
      <Page title="Keys">
        <Panel title="List">
          <Figures label="Sums" items={[{ name: 'Cost', value: '$1.00', note: 'today' }]} />
        </Panel>
      </Page>,
    )
    expect(document.title).toBe('Keys · clawrouter')
    expect(screen.getByRole('heading', { level: 1 }).textContent?.trim()).toBe('Keys')
    expect(screen.getByRole('region', { name: 'List' })).toBeTruthy()
  })
})

describe('States', () => {
  const error = new ApiError({ status: 503, code: 'overloaded', message: 'Retry.', requestId: 'req_1', param: '/a' })
  const resource = { data: undefined, error: null, busy: false, at: 0, refresh: async () => {}, put: () => {} }
  it('shows every fact of an error', async () => {
    const retry = vi.fn()
    render(<ErrorBox error={error} what="Keys could not be loaded" onRetry={retry} />)
    const text = screen.getByRole('alert').textContent ?? ''
    for (const part of ['Keys could not be loaded', 'Retry.', 'overloaded', '503', 'req_1', '/a'])
      expect(text).toContain(part)
    await user.click(screen.getByRole('button', { name: 'Retry' }))
    expect(retry).toHaveBeenCalledOnce()
  })
  it('goes from skeleton to data, and keeps old data beside an error', () => {
    const { rerender } = render(
      <Loaded of={resource} what="Keys">
        {() => 'rows'}
      </Loaded>,
    )
    expect(screen.getByRole('status', { name: 'Loading' })).toBeTruthy()
    rerender(
      <Loaded of={{ ...resource, error }} what="Keys">
        {() => 'rows'}
      </Loaded>,
    )
    expect(screen.getByRole('alert')).toBeTruthy()
    rerender(
      <Loaded of={{ ...resource, data: 1 as never, error, at: Date.UTC(2026, 10, 20, 14, 2) }} what="Keys">
        {() => <b>rows</b>}
      </Loaded>,
    )
    expect(screen.getByText('rows')).toBeTruthy()
    expect(screen.getByText(/Shown as of 14:02:00 UTC/)).toBeTruthy()
  })
  it('says which role is missing', () => {
    render(
      <Loaded
        of={{ ...resource, error: new ApiError({ status: 403, code: 'forbidden', message: 'Ask an admin.' }) }}
        what="Audit"
      >
        {() => ''}
      </Loaded>,
    )
    expect(screen.getByText('Ask an admin.')).toBeTruthy()
  })
  it('offers to clear a filter', async () => {
    const clear = vi.fn()
    render(<EmptyFiltered what="keys" filter="“x”" onClear={clear} />)
    await user.click(screen.getByRole('button', { name: 'Clear filters' }))
    expect(clear).toHaveBeenCalledOnce()
  })
})

describe('Markdown', () => {
  it('makes elements of markdown and text of HTML', () => {
    const { container } = render(
      <MarkdownView text={'# T\n\n**b** `c` <img src=x onerror=alert(1)>\n\n- one\n\n| a |\n|---|\n| 1 |'} />,
    )
    expect(container.querySelector('strong')?.textContent).toBe('b')
    expect(container.querySelector('table td')?.textContent).toBe('1')
    expect(container.querySelector('img')).toBeNull()
    expect(container.textContent).toContain('<img src=x onerror=alert(1)>')
  })
  it('keeps only safe links and never loads an image', () => {
    const { container } = render(
      <MarkdownView text={'[a](javascript:alert(1)) [b](https://x.example) ![p](https://x.example/p.png)'} />,
    )
    expect([...container.querySelectorAll('a')].map(link => link.getAttribute('href'))).toEqual([
      'https://x.example',
      'https://x.example/p.png',
    ])
    expect([...container.querySelectorAll('a')].every(link => link.rel === 'noreferrer noopener')).toBe(true)
    expect(container.querySelector('img')).toBeNull()
  })
})

describe('csv', () => {
  it('quotes, doubles quotes and defuses formulas', () => {
    expect(csv(['a', 'b', 'c'], [{ a: 'x,y', b: 'say "hi"', c: '=1+1' }])).toBe(
      'a,b,c\r\n"x,y","say ""hi""",\'=1+1\r\n',
    )
    expect(csv(['n'], [{ n: -3 }])).toBe('n\r\n-3\r\n')
  })
})
