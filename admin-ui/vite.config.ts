import { defineConfig } from 'vitest/config'

/** Where `npm run dev` forwards admin calls: the mock by default, a real Worker with ADMIN_API. */
const adminApi = process.env['ADMIN_API'] ?? 'http://127.0.0.1:4174'

const kit =
  /src\/(ui\/(combobox|dialog|diff|download|field|meter|search|select|slider|switch|table|tabs|time|markdown)\.tsx?|screens\/shared\/|api\/(documents|keys|operate|govern|fusion|stream)\.ts|api\/schema\/(common|documents|keys|operate|govern|fusion|explain)\.ts|lib\/clock\.ts|viz\/(scale|waterfall)\.tsx?)/

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
          groups: [{ name: 'kit', test: kit }],
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
