import { defineConfig } from 'vitest/config'

/** Where `npm run dev` forwards admin calls: the mock by default, a real Worker with ADMIN_API. */
const adminApi = process.env['ADMIN_API'] ?? 'http://127.0.0.1:4174'

/** What nearly every screen needs and the frame does not. */
const kit =
  /src\/(ui\/(?!markdown-|page|states|button|icon|menu|toast|top-layer)|screens\/shared\/|screens\/shell\/new-version|api\/(?!client|sample|session|schema\/session)|lib\/(?!shortcuts)|viz\/(scale|waterfall))/

export default defineConfig({
  base: '/admin/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist/admin',
    emptyOutDir: true,
    manifest: true,
    // The content security policy allows no data: fonts and no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    target: 'es2023',
    rolldownOptions: {
      output: {
        // One chunk for the kit and calls that nearly every screen needs: many tiny files compress badly and cost a round trip each.
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            { name: 'frame', test: /node_modules|src\/(ui\/(button|icon|top-layer)|api\/(client|sample))/ },
            { name: 'kit', test: kit },
            // Screens that lead to each other and share their parts: one file is smaller than four.
            { name: 'requests', test: /screens\/(requests|trace)\// },
            {
              name: 'try',
              test: /screens\/(playground|inspect)\/|viz\/(score-bars|quadrant)|fusion\/(answers|drafts|judge|test-run|test-drawer)/,
            },
          ],
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    port: 4173,
    proxy: { '/admin/api': adminApi, '/v1': adminApi },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/test-setup.ts'],
    restoreMocks: true,
  },
})
