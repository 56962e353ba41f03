/** Sign-in. With Cloudflare Access there is no form; locally one field for the admin token. */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { loadSession, signIn } from '../../api/session.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Code } from '../../ui/code.tsx'
import { TextInput } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Panel } from '../../ui/panel.tsx'

function Frame({ children }: { children: JSX.Element | JSX.Element[] }): JSX.Element {
  useEffect(() => {
    document.title = 'Sign in · clawrouter'
  }, [])
  return (
    <main class="sign-in">
      <div>
        <div class="brand">
          <Icon name="brand" size={22} /> <h1>clawrouter</h1>
        </div>
        {children}
      </div>
    </main>
  )
}

function TokenForm({ ended }: { ended: boolean }): JSX.Element {
  const [token, setToken] = useState('')
  const [error, setError] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState(false)
  const [wait, setWait] = useState(0)
  useEffect(() => {
    if (wait <= 0) return
    const timer = setTimeout(() => setWait(wait - 1), 1000)
    return () => clearTimeout(timer)
  }, [wait])

  const submit = async (event: Event) => {
    event.preventDefault()
    if (busy || wait > 0 || token.trim() === '') return
    setBusy(true)
    setError(null)
    try {
      await signIn(token.trim())
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure
      setError(failure)
      if (failure.status === 429) setWait(failure.retryAfterSeconds ?? 60)
    } finally {
      setBusy(false)
    }
  }
  const refused = error?.code === 'invalid_admin_token' ? 'This token is not the admin token of this deployment.' : null
  return (
    <Panel title="Sign in">
      {ended && <Callout tone="info">Your session ended. Sign in again; nothing you saved is lost.</Callout>}
      <form class="stack-16" onSubmit={event => void submit(event)}>
        <TextInput
          label="Admin token"
          type="password"
          autocomplete="current-password"
          value={token}
          onInput={setToken}
          error={refused}
          required
          autoFocus
          hint={
            <>
              Locally <code>npm start</code> prints it. On Cloudflare it is the token whose SHA-256 you stored as the
              secret <code>ADMIN_TOKEN_SHA256</code>.
            </>
          }
        />
        {error && !refused && error.status !== 429 && <ErrorBox error={error} />}
        {wait > 0 && (
          <Callout tone="warn" alert>
            Too many tries. The next one is possible in {wait} s.
          </Callout>
        )}
        <Button kind="primary" type="submit" busy={busy} disabled={wait > 0}>
          {busy ? 'Signing in' : 'Sign in'}
        </Button>
      </form>
    </Panel>
  )
}

export function SignIn({ method, ended }: { method: 'token' | 'access'; ended: boolean }): JSX.Element {
  return (
    <Frame>
      {method === 'token' ? (
        <TokenForm ended={ended} />
      ) : (
        <Panel title="Sign in">
          <p>
            {ended ? 'Your Access session ended.' : 'This deployment signs you in through Cloudflare Access.'} Reload
            the page to sign in.
          </p>
          <Button kind="primary" onClick={() => location.reload()}>
            Reload
          </Button>
        </Panel>
      )}
    </Frame>
  )
}

/** `GET me` failed for a reason other than not being signed in. */
export function SignInFailed({ error }: { error: ApiError }): JSX.Element {
  const open = error.code === 'admin_auth_not_configured'
  return (
    <Frame>
      <Panel title={open ? 'No sign-in method is set up' : 'The admin page could not start'}>
        {open ? (
          <>
            <p>Until one is set, nobody can sign in. Make a token, store its SHA-256, then reload:</p>
            <Code
              label="Commands that set an admin token"
              text={
                'TOKEN=$(openssl rand -hex 32)\nprintf %s "$TOKEN" | sha256sum | cut -d" " -f1 | npx wrangler secret put ADMIN_TOKEN_SHA256\necho "$TOKEN"'
              }
            />
          </>
        ) : (
          <ErrorBox error={error} />
        )}
        <Button onClick={() => void loadSession()}>Retry</Button>
      </Panel>
    </Frame>
  )
}
