/** A local endpoint as the wizard collects it, and the documents it becomes. Pure. */
import type { DiscoverRequest } from '../../api/operate.ts'
import type { Pool, Provider } from '../../api/schema/documents.ts'

export type Kind = 'ollama' | 'lmstudio' | 'vllm' | 'llamacpp' | 'other'
export type Protection = 'loopback' | 'bearer' | 'access' | 'mtls' | 'vpc'

export const kinds: Record<Kind, { text: string; port: number }> = {
  ollama: { text: 'Ollama', port: 11434 },
  lmstudio: { text: 'LM Studio', port: 1234 },
  vllm: { text: 'vLLM', port: 8000 },
  llamacpp: { text: 'llama.cpp server', port: 8080 },
  other: { text: 'Other OpenAI-compatible server', port: 8000 },
}

export const protections: Record<Protection, { text: string; hint: string }> = {
  access: {
    text: 'Tunnel and Access service token',
    hint: 'Cloudflare Tunnel publishes the server; Access lets in only this Worker.',
  },
  bearer: { text: 'Tunnel and bearer token', hint: 'The server itself, or a proxy before it, checks a token.' },
  vpc: { text: 'VPC service binding', hint: 'A private network connected to Cloudflare; nothing is public.' },
  mtls: { text: 'mTLS certificate binding', hint: 'The server accepts only the certificate bound to this Worker.' },
  loopback: {
    text: 'None: same machine',
    hint: 'Only under wrangler dev or npm start; a deployed Worker cannot reach it.',
  },
}

export interface Endpoint {
  id: string
  kind: Kind
  protection: Protection
  url: string
  token: string
  idSecret: string
  secretSecret: string
  binding: string
}

/** `http://127.0.0.1:11434/v1/` -> `http://127.0.0.1:11434`: dialect paths bring their own `/v1`. */
export function baseUrl(typed: string): string {
  return typed.trim().replace(/\/+$/, '').replace(/\/v1$/, '')
}

export function startUrl(kind: Kind, protection: Protection): string {
  return protection === 'loopback' ? `http://127.0.0.1:${kinds[kind].port}` : ''
}

function transport(endpoint: Endpoint): { kind: string; name?: string } {
  return endpoint.protection === 'mtls' || endpoint.protection === 'vpc'
    ? { kind: 'binding', name: endpoint.binding.trim() }
    : { kind: 'fetch' }
}

function auth(endpoint: Endpoint): { scheme: string; id_secret?: string; secret_secret?: string } {
  if (endpoint.protection === 'access')
    return {
      scheme: 'access_service_token',
      id_secret: endpoint.idSecret.trim(),
      secret_secret: endpoint.secretSecret.trim(),
    }
  return { scheme: endpoint.token.trim() || endpoint.protection === 'bearer' ? 'bearer' : 'none' }
}

/** Why the endpoint cannot be checked yet; null when it can. */
export function missing(endpoint: Endpoint): string | null {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(endpoint.id))
    return 'Give it a name of lower case letters, digits and dashes.'
  if (!endpoint.url.trim()) return 'Enter the address.'
  if (!/^https?:\/\/[^\s/@#]+/.test(endpoint.url.trim()))
    return 'The address begins with https:// (or http:// on this machine) and has no user name.'
  if (
    endpoint.protection !== 'loopback' &&
    endpoint.url.trim().startsWith('http:') &&
    transport(endpoint).kind === 'fetch'
  )
    return 'Off this machine the address must be https.'
  if (endpoint.protection === 'access' && !(endpoint.idSecret.trim() && endpoint.secretSecret.trim()))
    return 'Name the two Worker secrets of the service token.'
  if ((endpoint.protection === 'mtls' || endpoint.protection === 'vpc') && !endpoint.binding.trim())
    return 'Name the binding in wrangler.toml.'
  if (endpoint.protection === 'bearer' && !endpoint.token.trim())
    return 'Paste the token; it is sealed, never shown again.'
  return null
}

export function discoverRequest(endpoint: Endpoint): DiscoverRequest {
  return {
    base_url: baseUrl(endpoint.url),
    provider: endpoint.id,
    transport: transport(endpoint),
    auth: auth(endpoint),
    ...(endpoint.token.trim() ? { token: endpoint.token.trim() } : {}),
  }
}

/** The provider document: an existing one keeps what the wizard does not ask for. A pool is named only where one pays. */
export function providerDocument(endpoint: Endpoint, existing: Provider | undefined): Provider {
  const scheme = auth(endpoint)
  const base: Provider = existing ?? {
    id: endpoint.id,
    dialects: {
      chat: '/v1/chat/completions',
      embeddings: '/v1/embeddings',
      completions: '/v1/completions',
      models: '/v1/models',
    },
    timeouts: {
      headers_ms: 120_000,
      first_token_ms: 120_000,
      first_token_reasoning_ms: 300_000,
      stall_ms: 60_000,
      total_ms: 600_000,
    },
    discover: { models: true },
    defaults: {
      capabilities: ['chat', 'embeddings', 'completions', 'tools', 'json_schema', 'json_mode', 'temperature'],
      context_window: 131_072,
      max_output_tokens: 4096,
      price: { input: 0, output: 0 },
    },
  }
  const pool = base.pool ?? (scheme.scheme === 'bearer' ? endpoint.id : undefined)
  return {
    ...base,
    ...(pool ? { pool } : {}),
    base_url: baseUrl(endpoint.url),
    transport: transport(endpoint),
    auth: scheme,
    enabled: true,
  }
}

/** The pool with a place for the pasted token; null when there is nothing to store. */
export function poolDocument(endpoint: Endpoint, id: string, existing: Pool | undefined): Pool | null {
  if (!endpoint.token.trim()) return null
  return withSealed(existing ?? { id }, 'main')
}

/** A pool document whose key of this label takes a pasted value instead of a named secret. */
export function withSealed(pool: Pool, label: string): Pool {
  const { secret: _secret, store: _store, ...kept } = pool.keys?.find(key => key.label === label) ?? { label }
  return { ...pool, keys: [...(pool.keys ?? []).filter(key => key.label !== label), { ...kept, label, sealed: true }] }
}

/** What makes the server reachable for the Worker alone, to be copied; `…` stands for what a command prints. */
export function setUpCommands(endpoint: Endpoint): string {
  const { protection, kind } = endpoint
  const name = endpoint.id || 'llm'
  const { port } = kinds[kind]
  const binding = endpoint.binding || 'LOCAL_LLM'
  if (protection === 'mtls')
    return `npx wrangler mtls-certificate upload --cert cert.pem --key key.pem --name ${name}

# wrangler.toml, with the id it printed; then npx wrangler deploy
[[mtls_certificates]]
binding = "${binding}"
certificate_id = "…"`
  const host = endpoint.url.replace(/^https?:\/\//, '').replace(/\/.*$/, '') || 'llm.example.com'
  const tunnel = `cloudflared tunnel login
cloudflared tunnel create ${name}
`
  if (protection === 'vpc')
    return `${tunnel}npx wrangler vpc service create ${name} --type http --tunnel-id … --ipv4 127.0.0.1 --http-port ${port}

# wrangler.toml, with the id it printed; then npx wrangler deploy
[[vpc_services]]
binding = "${binding}"
service_id = "…"
remote = true`
  const published = `${tunnel}cloudflared tunnel route dns ${name} ${host}
cloudflared tunnel run --url http://127.0.0.1:${port} ${name}`
  if (protection !== 'access') return published
  return `${published}

# In Zero Trust: an Access application for the host with a Service Auth policy, then
npx wrangler secret put ${endpoint.idSecret || 'LLM_ACCESS_ID'}
npx wrangler secret put ${endpoint.secretSecret || 'LLM_ACCESS_SECRET'}`
}
