/** Every screen: where it is, what it is called, when it may be opened. Screens load on demand. */

import type { ComponentType } from 'preact'
import { lazy } from 'preact-iso'

export interface Screen {
  /** Path under /admin, as preact-iso matches it. */
  path: string
  /** Where the rail and the palette lead. */
  href: string
  title: string
  group: 'Operate' | 'Configure' | 'Govern'
  /** Second key after `g`. */
  key: string
  /** Capability without which the screen is not offered. */
  needs?: string
  /** Further words the palette finds it by. */
  words: string
  component: ComponentType
  /** Starts loading the screen's code. */
  preload: () => void
}

type Load = () => Promise<{ default: ComponentType }>

const screen = (
  group: Screen['group'],
  path: string,
  title: string,
  key: string,
  words: string,
  load: Load,
  needs?: string,
): Screen => ({
  path,
  href: `/admin${path.replace(/\/:.*$/, '')}`,
  title,
  group,
  key,
  words,
  component: lazy(load) as ComponentType,
  preload: () => void load().catch(() => {}),
  ...(needs ? { needs } : {}),
})

/** Operators and admins read everything; members read what is theirs, and try requests as their own keys would. */
const everything = 'audit.read'

const overview = screen(
  'Operate',
  '/overview',
  'Overview',
  'o',
  'home set up checklist attention',
  () => import('./screens/overview/index.tsx'),
  everything,
)

export const screens: readonly Screen[] = [
  overview,
  screen('Operate', '/requests', 'Requests', 'r', 'trace log list', () => import('./screens/requests/index.tsx')),
  screen('Operate', '/playground', 'Playground', 'p', 'chat try send', () => import('./screens/playground/index.tsx')),
  screen(
    'Operate',
    '/inspect',
    'Route inspector',
    'i',
    'explain why decision dry run',
    () => import('./screens/inspect/index.tsx'),
  ),
  screen(
    'Operate',
    '/sessions',
    'Sessions',
    's',
    'pins unpin conversation',
    () => import('./screens/sessions/index.tsx'),
    everything,
  ),
  screen(
    'Configure',
    '/fusion/:profile?',
    'Fusion',
    'f',
    'advisers judge synthesizer profile readiness enable',
    () => import('./screens/fusion/index.tsx'),
    everything,
  ),
  screen(
    'Configure',
    '/models',
    'Models and providers',
    'm',
    'local endpoint ollama vllm price verify connect',
    () => import('./screens/models/index.tsx'),
    everything,
  ),
  screen(
    'Configure',
    '/pools',
    'Pools and fallbacks',
    'l',
    'credentials cooldown reset routes chain',
    () => import('./screens/pools/index.tsx'),
    everything,
  ),
  screen(
    'Govern',
    '/policies/:id?',
    'Policies',
    'y',
    'allow deny budget rate limit',
    () => import('./screens/policies/index.tsx'),
    everything,
  ),
  screen('Govern', '/keys', 'Keys', 'k', 'mint rotate revoke token api', () => import('./screens/keys/index.tsx')),
  screen('Govern', '/usage', 'Usage and budgets', 'u', 'cost spend tokens', () => import('./screens/usage/index.tsx')),
  screen(
    'Govern',
    '/audit',
    'Audit log',
    'a',
    'who changed what',
    () => import('./screens/audit/index.tsx'),
    everything,
  ),
  screen(
    'Govern',
    '/settings',
    'Settings',
    ',',
    'build version import export theme',
    () => import('./screens/settings/index.tsx'),
    everything,
  ),
]

const trace: Load = () => import('./screens/trace/index.tsx')

/** Addresses that no rail link names. */
export const details: readonly { path: string; component: ComponentType }[] = [
  { path: '/requests/:id', component: lazy(trace) as ComponentType },
]

/** Loads the code of the screen at this address while nobody knows yet who is signed in. */
export function preloadScreen(address: string): void {
  if (/^\/admin\/requests\/./.test(address)) void trace().catch(() => {})
  else (screens.find(item => address === item.href || address.startsWith(`${item.href}/`)) ?? overview).preload()
}
