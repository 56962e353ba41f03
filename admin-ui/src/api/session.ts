/** The signed-in state, as one signal that the whole page reads. */
import { signal } from '@preact/signals'
import { ApiError, call, get, send, whenSignedOut } from './client.ts'
import { Me } from './schema/session.ts'

export type SessionState =
  | { state: 'loading' }
  | { state: 'in'; me: Me }
  | { state: 'out'; signIn: 'token' | 'access'; ended: boolean }
  | { state: 'failed'; error: ApiError }

export const session = signal<SessionState>({ state: 'loading' })

whenSignedOut(() => {
  if (session.value.state === 'in')
    session.value = { state: 'out', signIn: session.value.me.auth === 'access' ? 'access' : 'token', ended: true }
})

export async function loadSession(): Promise<void> {
  try {
    session.value = { state: 'in', me: await get(Me, 'me') }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    session.value =
      error.status === 401
        ? { state: 'out', signIn: error.signIn === 'access' ? 'access' : 'token', ended: false }
        : { state: 'failed', error }
  }
}

/** Signs in with the admin token; throws what the Worker answered when it refuses. */
export async function signIn(token: string): Promise<void> {
  session.value = { state: 'in', me: await call(Me, 'POST', 'session', { body: { token } }) }
}

export async function signOut(everywhere: boolean): Promise<void> {
  await send('DELETE', everywhere ? 'session?everywhere=1' : 'session')
  dispatchEvent(new Event('clawrouter:forget'))
  session.value = { state: 'out', signIn: 'token', ended: false }
}

/** The policies under which a member makes keys; null for those who read all policies. */
export function ownPolicies(): string[] | null {
  const current = session.value
  return current.state === 'in' && current.me.role === 'member' ? current.me.member_policies : null
}

/** Whether `GET me` lists a capability. The Worker decides again on each call; this only hides what would be refused. */
export function can(capability: string): boolean {
  const current = session.value
  return current.state === 'in' && (current.me.role === 'admin' || current.me.capabilities.includes(capability))
}
