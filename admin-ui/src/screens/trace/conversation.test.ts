import { describe, expect, it } from 'vitest'
import { answered, asked, beginning, requestIn } from './conversation.ts'

const sse = (...events: unknown[]) =>
  `${events.map(event => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`
const chunk = (delta: unknown) => ({ choices: [{ delta }] })
const json = JSON.stringify

describe('what was asked', () => {
  it.each([
    [
      'chat',
      {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hello' },
        ],
      },
      [
        ['system', 'Be brief.'],
        ['user', 'Hello'],
      ],
    ],
    [
      'parts',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'See' },
              { type: 'image_url', image_url: {} },
            ],
          },
        ],
      },
      [['user', 'See\n\n[image url]']],
    ],
    [
      'tool calls',
      {
        messages: [
          { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: '{"a":1}' } }] },
          { role: 'tool', content: '2' },
        ],
      },
      [
        ['assistant', 'calls f({"a":1})'],
        ['tool', '2'],
      ],
    ],
    [
      'messages',
      {
        system: [{ type: 'text', text: 'S' }],
        messages: [{ role: 'user', content: [{ type: 'tool_result', content: 'R' }] }],
      },
      [
        ['system', 'S'],
        ['user', 'R'],
      ],
    ],
    [
      'responses',
      {
        instructions: 'I',
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'U' }] },
          { type: 'function_call', name: 'f', arguments: '{}' },
        ],
      },
      [
        ['system', 'I'],
        ['user', 'U'],
        ['assistant', 'calls f({})'],
      ],
    ],
    ['a responses string', { input: 'U' }, [['user', 'U']]],
    ['completions', { prompt: 'P' }, [['user', 'P']]],
  ])('reads %s', (_name, body, expected) => {
    expect(asked(json(body))?.map(said => [said.role, said.text])).toEqual(expected)
  })
  it.each([
    ['a cut body', '{"messages":[{"ro'],
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['a list', '[]'],
    ['another document', '{"a":1}'],
  ])('leaves %s as it is', (_name, body) => expect(asked(body)).toBeNull())
})

describe('what was answered', () => {
  it.each([
    ['chat', json({ choices: [{ message: { role: 'assistant', content: 'A' } }] }), 'A'],
    [
      'messages',
      json({
        content: [
          { type: 'thinking', thinking: 'T' },
          { type: 'text', text: 'A' },
        ],
      }),
      'T\n\nA',
    ],
    [
      'responses',
      json({ output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'A' }] }] }),
      'A',
    ],
    ['completions', json({ choices: [{ text: 'A' }] }), 'A'],
    ['a refusal', json({ error: { message: 'No.' } }), 'No.'],
    ['a chat stream', sse(chunk({ role: 'assistant', content: 'A' }), chunk({ content: 'B' }), { usage: {} }), 'AB'],
    [
      'a messages stream',
      sse(
        { type: 'message_start' },
        { type: 'content_block_delta', delta: { type: 'text_delta', text: 'A' } },
        { type: 'content_block_delta', delta: { text: 'B' } },
      ),
      'AB',
    ],
    [
      'a responses stream',
      sse(
        { type: 'response.output_text.delta', delta: 'A' },
        { type: 'response.output_text.delta', delta: 'B' },
        { type: 'response.output_text.done', text: 'AB' },
      ),
      'AB',
    ],
    ['a stream cut midway', sse(chunk({ content: 'A' })).slice(0, 60), 'A'],
  ])('reads %s', (_name, body, expected) => {
    expect(
      answered(body)
        ?.map(said => said.text)
        .join('|'),
    ).toBe(expected)
  })
  it('shows an error inside a stream after what came before it', () => {
    expect(answered(sse(chunk({ content: 'A' }), { error: { message: 'Broke.' } }))).toEqual([
      { role: 'assistant', text: 'A' },
      { role: 'error', text: 'Broke.' },
    ])
  })
  it('leaves what it cannot read as it is', () => expect(answered('RIFF…')).toBeNull())
})

it.each([
  [10, ['abcd', 'efgh'], 0],
  [6, ['abcd', 'ef'], 2],
  [4, ['abcd'], 4],
  [3, ['abc'], 5],
])('shows the first %i characters', (limit, expected, left) => {
  const cut = beginning(
    [
      { role: 'a', text: 'abcd' },
      { role: 'b', text: 'efgh' },
    ],
    limit,
  )
  expect(cut.shown.map(said => said.text)).toEqual(expected)
  expect(cut.left).toBe(left)
})

describe('a kept body for other screens', () => {
  it.each<[string, unknown, unknown]>([
    ['chat stays as it is', { tools: [1], messages: [{ role: 'user', content: 'U' }] }, undefined],
    [
      'Messages become chat',
      { system: 'S', messages: [{ role: 'user', content: [{ type: 'text', text: 'U' }] }] },
      {
        messages: [
          { role: 'system', content: 'S' },
          { role: 'user', content: 'U' },
        ],
      },
    ],
    ['Responses become chat', { input: 'U' }, { messages: [{ role: 'user', content: 'U' }] }],
    ['another kind is none', { files: [] }, null],
  ])('%s', (_, body, expected) => expect(requestIn(json(body))).toEqual(expected === undefined ? body : expected))
  it('a body that was cut is none', () => expect(requestIn('{"messages":[{"role":"user","con')).toBeNull())
})
