/** Chooses between sign-in and the shell. */
import type { JSX } from 'preact'
import { ErrorBoundary, LocationProvider, lazy } from 'preact-iso'
import { session } from './api/session.ts'
import Shell from './screens/shell/index.tsx'
import { Skeleton } from './ui/states.tsx'

const SignIn = lazy(() => import('./screens/signin/index.tsx').then(module => module.SignIn))
const SignInFailed = lazy(() => import('./screens/signin/index.tsx').then(module => module.SignInFailed))

export function App(): JSX.Element {
  const current = session.value
  switch (current.state) {
    case 'loading':
      return (
        <main class="sign-in">
          <Skeleton lines={3} />
        </main>
      )
    case 'out':
      return (
        <ErrorBoundary>
          <SignIn method={current.signIn} ended={current.ended} />
        </ErrorBoundary>
      )
    case 'failed':
      return (
        <ErrorBoundary>
          <SignInFailed error={current.error} />
        </ErrorBoundary>
      )
    case 'in':
      return (
        <LocationProvider scope="/admin">
          <Shell me={current.me} />
        </LocationProvider>
      )
  }
}
