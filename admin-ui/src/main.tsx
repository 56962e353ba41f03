/** Starts the page. */
import './styles/index.css'
import { render } from 'preact'
import { loadSession } from './api/session.ts'
import { App } from './app.tsx'
import { preloadScreen } from './routes.tsx'

const root = document.getElementById('app')
if (root) render(<App />, root)
void loadSession()
preloadScreen(location.pathname)
