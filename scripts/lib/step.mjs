// Set-up steps as a person sees them: what is done, what it costs, how long it took, and what to do when it fails.

/** A failure with advice; printed without a stack. */
export class StepError extends Error {
  constructor(what, advice) {
    super(what);
    this.advice = advice;
  }
}

/** Prints one step, runs it, prints its time. `cost` says beforehand what the person waits for; false means "not possible". */
export async function step(what, cost, work) {
  const started = Date.now();
  console.log(`set-up  ${what} (${cost})`);
  const result = await work();
  console.log(`set-up  ${what}: ${result === false ? "not possible here, tried for" : "done in"} ${seconds(Date.now() - started)}`);
  return result;
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Runs a script's main function; a designed failure prints two lines, anything else its stack. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof StepError) {
      console.error(`\nfailed  ${error.message}\n  do    ${error.advice}`);
    } else {
      console.error(error);
    }
    process.exitCode = 1;
  }
}
