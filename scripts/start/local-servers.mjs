// Looks for model servers on this machine's loopback, on the ports where they listen unless told otherwise.

const usualPorts = [
  { port: 11434, name: "Ollama" },
  { port: 1234, name: "LM Studio" },
  { port: 8000, name: "vLLM" },
  { port: 8080, name: "llama.cpp" },
];

/** Servers that answer GET /v1/models like an OpenAI-compatible one, in the order above. `ownPort` is never asked. */
export async function findLocalServers({ ownPort, ports = usualPorts, timeoutMs = 400 } = {}) {
  const asked = ports.filter(({ port }) => port !== ownPort).map(async ({ port, name }) => {
    const baseUrl = `http://127.0.0.1:${port}`;
    const models = await listModels(baseUrl, timeoutMs);
    return models && { name, baseUrl, models };
  });
  return (await Promise.all(asked)).filter(Boolean);
}

/** Model ids, or null when this is not an OpenAI-compatible server (or is a clawrouter itself). */
async function listModels(baseUrl, timeoutMs) {
  try {
    const response = await fetch(`${baseUrl}/v1/models`, { redirect: "error", signal: AbortSignal.timeout(timeoutMs) });
    const body = response.ok ? await response.json() : await response.body?.cancel();
    if (!Array.isArray(body?.data)) return null;
    const ids = body.data.map((model) => model?.id);
    const isList = ids.every((id) => typeof id === "string");
    return isList && !ids.some((id) => id.startsWith("clawrouter/")) ? ids : null;
  } catch {
    // Nothing listens there, it is too slow, or it speaks something else: all the same to us.
    return null;
  }
}
