// Loaded into wrangler's process (`node --import`): when the process that started it is gone, however it died,
// its end of our standard input closes, and the whole group (wrangler, workerd, esbuild) ends too.

process.stdin.once("end", () => process.kill(-process.pid, "SIGKILL"));
process.stdin.resume();
process.stdin.unref();
