/** The frame: rail, top bar, palette, toasts, and the screen of the current address. */
import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import { ErrorBoundary, lazy, Route, Router, useLocation } from 'preact-iso'
import { leaveSample, sample } from '../../api/sample.ts'
import type { Me } from '../../api/schema/session.ts'
import { can } from '../../api/session.ts'
import { modifier, useShortcuts } from '../../lib/shortcuts.ts'
import { details, type Screen, screens } from '../../routes.tsx'
import { Button, LinkButton } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Page } from '../../ui/page.tsx'
import { Empty, Skeleton } from '../../ui/states.tsx'
import { ToastRegion } from '../../ui/toast.tsx'
import { Account } from './account.tsx'

const NewVersion = lazy(() => import('./new-version.tsx'))
const Palette = lazy(() => import('./palette.tsx'))
const Shortcuts = lazy(() => import('./shortcuts-help.tsx'))

const overlay = signal<'palette' | 'shortcuts' | null>(null)
const groups = ['Operate', 'Configure', 'Govern'] as const

const allowed = (item: Screen) => !item.needs || can(item.needs)

function Rail({ path }: { path: string }): JSX.Element {
  useEffect(() => {
    // On a phone the rail is a strip; keep the current screen's link in sight.
    document.querySelector('.rail-link[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [path])
  return (
    <nav class="rail" aria-label="Screens">
      <a class="brand" href="/admin">
        <Icon name="brand" size={20} /> clawrouter
      </a>
      {groups.map(group => {
        const items = screens.filter(item => item.group === group && allowed(item))
        if (items.length === 0) return null
        return (
          <>
            <div class="rail-group" key={group}>
              {group}
            </div>
            {items.map(item => (
              <a
                key={item.href}
                class="rail-link"
                href={item.href}
                aria-current={
                  path === item.href ||
                  path.startsWith(`${item.href}/`) ||
                  (path === '/admin' && item === screens.find(allowed))
                    ? 'page'
                    : undefined
                }
              >
                {item.title}
              </a>
            ))}
          </>
        )
      })}
    </nav>
  )
}

function NotFound(): JSX.Element {
  return (
    <Page title="No such screen">
      <Empty
        title="This address leads nowhere"
        action={<LinkButton href="/admin/overview">Open overview</LinkButton>}
      />
    </Page>
  )
}

function NotAllowed({ screen, me }: { screen: Screen; me: Me }): JSX.Element {
  return (
    <Page title={screen.title}>
      <Empty title="Your role does not open this" action={<LinkButton href="/admin/keys">Open your keys</LinkButton>}>
        You are signed in as {me.role}. {screen.title} needs the capability {screen.needs}; ask an admin.
      </Empty>
    </Page>
  )
}

function ScreenFailed({ error }: { error: Error }): JSX.Element {
  return (
    <Page title="This screen failed">
      <Empty
        title="The page has a fault here"
        action={<LinkButton href={location.pathname}>Reload this screen</LinkButton>}
      >
        {error.message}
      </Empty>
    </Page>
  )
}

export default function Shell({ me }: { me: Me }): JSX.Element {
  const { path, route } = useLocation()
  const [failed, setFailed] = useState<{ error: Error; path: string } | null>(null)
  const [loading, setLoading] = useState(false)
  useShortcuts([
    ...screens
      .filter(allowed)
      .map(item => ({ keys: `g ${item.key}`, text: `Open ${item.title}`, run: () => route(item.href) })),
    {
      keys: 'mod+k',
      text: 'Search or jump to',
      run: () => (overlay.value = overlay.value === 'palette' ? null : 'palette'),
    },
    { keys: '?', text: 'List of shortcuts', run: () => (overlay.value = 'shortcuts') },
  ])
  const close = () => {
    overlay.value = null
  }
  // Component identities must survive a render, or the router would mount the screen anew.
  const shown = useMemo(
    () => [
      ...screens.map(item => ({
        path: item.path,
        component: allowed(item) ? item.component : () => <NotAllowed screen={item} me={me} />,
      })),
      { path: '', component: screens.find(allowed)?.component ?? NotFound },
      ...details,
    ],
    [me],
  )
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <Rail path={path} />
      <div class="main">
        <ErrorBoundary>
          <NewVersion />
        </ErrorBoundary>
        {sample.value && (
          <aside class="sample-bar" aria-label="Sample data">
            <strong>Sample data</strong> of a made-up deployment. Filters and changes do nothing here.
            <Button small onClick={leaveSample}>
              Leave the sample
            </Button>
          </aside>
        )}
        <header class="topbar">
          <span class="topbar-name clip">{me.deployment}</span>
          <button
            type="button"
            class="search-button"
            aria-keyshortcuts={modifier === '⌘' ? 'Meta+K' : 'Control+K'}
            onClick={() => (overlay.value = 'palette')}
          >
            <Icon name="search" />
            <span>Search or jump to</span>
            <kbd>{modifier}K</kbd>
          </button>
          <Account me={me} onShortcuts={() => (overlay.value = 'shortcuts')} />
        </header>
        <main id="main" tabIndex={-1} aria-busy={loading || undefined}>
          {failed && failed.path === path ? (
            <ScreenFailed error={failed.error} />
          ) : (
            <ErrorBoundary onError={error => setFailed({ error, path })}>
              <Router
                key={sample.value ? 'sample' : 'own'}
                onLoadStart={() => setLoading(true)}
                onLoadEnd={() => setLoading(false)}
              >
                {shown.map(item => (
                  <Route key={item.path} path={`/admin${item.path}`} component={item.component} />
                ))}
                <Route default component={NotFound} />
              </Router>
            </ErrorBoundary>
          )}
          {loading && (
            <div class="page">
              <Skeleton />
            </div>
          )}
        </main>
      </div>
      <ErrorBoundary>
        {overlay.value === 'palette' && <Palette onClose={close} />}
        {overlay.value === 'shortcuts' && <Shortcuts onClose={close} />}
      </ErrorBoundary>
      <ToastRegion />
    </div>
  )
}
