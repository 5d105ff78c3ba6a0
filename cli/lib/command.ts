/** Something that the user can mend, in one line. */
export class CommandError extends Error {}

/**
 * Runs a command's work; its result is the exit status. A problem that the user can mend is one line.
 *
 * @param failure exit status after such a problem
 */
export async function runCommand(work: () => Promise<number>, failure = 1): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const isUsage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    if (!isUsage && !(error instanceof CommandError)) throw error;
    console.error(error.message);
    process.exitCode = failure;
  }
}
