// The load generator: keep-alive connections, a fixed number of callers, each sending its next request when the last has ended.
import { Agent, request } from "node:http";
import { performance } from "node:perf_hooks";

/**
 * Sends `requests` requests with `concurrency` callers, for at most `maxMs`.
 * Answers `{latencies, firstBytes, seconds, errors, bytes}`: milliseconds per request to its end and to its first body byte.
 */
export async function runLoad({ url, headers, body, concurrency, requests, maxMs }) {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const payload = Buffer.from(body);
  const result = { latencies: [], firstBytes: [], errors: [], bytes: 0 };
  const startedAt = performance.now();
  let left = requests;
  const caller = async () => {
    while (left > 0 && performance.now() - startedAt < maxMs) {
      left -= 1;
      await one(url, { agent, headers, payload }, result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  agent.destroy();
  return { ...result, seconds: (performance.now() - startedAt) / 1000 };
}

function one(url, { agent, headers, payload }, result) {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let firstByteAt = null;
    const sent = request(url, { method: "POST", agent, headers: { "content-type": "application/json", "content-length": payload.length, ...headers } }, (response) => {
      const problem = response.statusCode === 200 ? null : `status ${response.statusCode}`;
      response.on("data", (chunk) => {
        firstByteAt ??= performance.now();
        result.bytes += chunk.length;
      });
      response.on("end", () => {
        if (problem) {
          result.errors.push(problem);
        } else {
          result.latencies.push(performance.now() - startedAt);
          result.firstBytes.push((firstByteAt ?? performance.now()) - startedAt);
        }
        resolve();
      });
      response.on("error", (error) => { result.errors.push(error.code ?? error.message); resolve(); });
    });
    sent.on("error", (error) => { result.errors.push(error.code ?? error.message); resolve(); });
    sent.end(payload);
  });
}

/** The value below which the share `q` of a list lies; NaN of an empty list. */
export function quantile(values, q) {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

/** The middle value. */
export function median(values) {
  return quantile(values, 0.5);
}
