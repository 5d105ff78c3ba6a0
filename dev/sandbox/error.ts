/** A sandbox problem that the user can solve: one line that says what is wrong and what to do next. */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
}
