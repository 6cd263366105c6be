/** @module A failure that has an exit code of its own. */
import { CrossroleError } from "../errors.ts";

/** The shell's exit codes for a command that cannot be run. */
export class CommandError extends CrossroleError {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, cause: unknown) {
    super("ERR_COMMAND_FAILED", message, { cause });
    this.exitCode = exitCode;
  }
}
