// Plays a list of steps on a real socket. The only file that knows how Node ends, cuts and resets a response.
import { setTimeout as sleep } from "node:timers/promises";

// A reset discards what the peer has not read; data already written gets this long to arrive.
const LINGER_MS = 25;

/** Plays `steps` until they end or the client leaves. `left` is an AbortSignal that fires when the client closed. */
export async function play(steps, response, left, record) {
  let at = 0;
  while (at < steps.length && !left.aborted) {
    const step = steps[at];
    at = step.repeat === undefined ? at + 1 : at - step.repeat;
    if (step.repeat === undefined) await playStep(step, response, left, record);
  }
}

async function playStep(step, response, left, record) {
  if (step.head) {
    record.status = step.head.status;
    response.writeHead(step.head.status, step.head.headers);
    response.flushHeaders();
  } else if (step.send !== undefined) {
    await write(response, step.send, left, record);
  } else if (step.wait !== undefined) {
    await pause(step.wait, left);
  } else if (step.forever) {
    await new Promise((resolve) => left.addEventListener("abort", resolve, { once: true }));
  } else if (step.reset) {
    if (response.headersSent) await pause(LINGER_MS, left);
    record.endedAt = Date.now();
    response.socket?.resetAndDestroy();
  } else if (step.truncate) {
    record.endedAt = Date.now();
    response.socket?.end();
    response.socket?.destroySoon();
  } else if (step.end) {
    record.endedAt = Date.now();
    response.end();
  }
}

async function pause(ms, left) {
  await sleep(ms, undefined, { signal: left }).catch(() => {});
}

// Each step is its own packet where the kernel allows it: wait until this write has been handed over.
async function write(response, data, left, record) {
  if (data.length === 0) return;
  await new Promise((resolve) => {
    left.addEventListener("abort", resolve, { once: true });
    response.write(data, () => {
      left.removeEventListener("abort", resolve);
      resolve();
    });
  });
  if (left.aborted) return;
  record.firstByteAt ??= Date.now();
  record.bytesSent += Buffer.byteLength(data);
}
