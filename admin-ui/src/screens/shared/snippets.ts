/** A request as curl, Python and Node, ready to paste. Pure. */

export const languages = [
  { id: 'curl', text: 'curl' },
  { id: 'python', text: 'Python' },
  { id: 'node', text: 'Node' },
] as const

export type Language = (typeof languages)[number]['id']

/** JSON as a Python literal: the three words that differ. */
function python(value: unknown, indent: string): string {
  return JSON.stringify(value, null, 4)
    .replace(
      /("(?:[^"\\]|\\.)*")|\btrue\b|\bfalse\b|\bnull\b/g,
      (word, quoted: string | undefined) =>
        quoted ?? { true: 'True', false: 'False', null: 'None' }[word as 'true' | 'false' | 'null'],
    )
    .replaceAll('\n', `\n${indent}`)
}

/** The shell keeps single-quoted text as it is; a quote inside is closed, escaped and opened again. */
const shell = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

export function snippet(language: Language, origin: string, key: string, request: Record<string, unknown>): string {
  switch (language) {
    case 'curl':
      return [
        `curl ${origin}/v1/chat/completions \\`,
        `  -H "Authorization: Bearer ${key}" \\`,
        '  -H "Content-Type: application/json" \\',
        `  -d ${shell(JSON.stringify(request, null, 2))}`,
      ].join('\n')
    case 'python': {
      const fields = Object.entries(request).map(([name, value]) => `    ${name}=${python(value, '    ')},`)
      return [
        'from openai import OpenAI',
        '',
        `client = OpenAI(base_url="${origin}/v1", api_key="${key}")`,
        '',
        'answer = client.chat.completions.create(',
        ...fields,
        ')',
        request['stream'] === true
          ? 'for chunk in answer:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="")'
          : 'print(answer.choices[0].message.content)',
      ].join('\n')
    }
    case 'node':
      return [
        "import OpenAI from 'openai'",
        '',
        `const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: '${key}' })`,
        '',
        `const answer = await client.chat.completions.create(${JSON.stringify(request, null, 2)})`,
        request['stream'] === true
          ? "for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta?.content ?? '')"
          : 'console.log(answer.choices[0].message.content)',
      ].join('\n')
  }
}
