// Asks V8 to collect garbage in every isolate of a running workerd, through its inspector: what is resident afterwards is
// what something still holds. Without that, resident memory mostly tells how long V8 has let wrappers of native streams lie.

/** How long an isolate may take to answer. Isolates of Miniflare that have never run do not answer at all. */
const ANSWER_MS = 2000;

/** Connects to every isolate behind an inspector address: `{collect(), close()}`; `collect` answers how many isolates have collected. */
export async function openCollector(inspectorUrl) {
  const targets = await (await fetch(new URL("/json", inspectorUrl))).json();
  const isolates = (await Promise.all(targets.map((target) => connect(target)))).filter(Boolean);
  return {
    collect: async () => (await Promise.all(isolates.map((isolate) => isolate.ask("HeapProfiler.collectGarbage")))).filter(Boolean).length,
    close: () => isolates.forEach((isolate) => isolate.close()),
  };
}

async function connect(target) {
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  const waiting = new Map();
  socket.onmessage = ({ data }) => {
    const { id } = JSON.parse(data);
    waiting.get(id)?.(true);
    waiting.delete(id);
  };
  const opened = await inTime((done) => { socket.onopen = () => done(true); socket.onerror = () => done(false); });
  if (!opened) return null;
  let asked = 0;
  return {
    ask: (method) => inTime((done) => {
      asked += 1;
      waiting.set(asked, done);
      socket.send(JSON.stringify({ id: asked, method }));
    }),
    close: () => socket.close(),
  };
}

function inTime(start) {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(false), ANSWER_MS);
    start((value) => { clearTimeout(late); resolve(value); });
  });
}
