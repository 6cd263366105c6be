/** @module What must be gone when the bench has ended, however it ends: by itself, or by Ctrl-C. */
import { constants } from "node:os";

const SIGNAL_BASE = 128;
const left = new Set<() => void>();

/** Runs `undo` when this process ends, unless it has run before. */
export function owned(undo: () => void): Disposable {
  left.add(undo);
  return {
    [Symbol.dispose]: () => {
      if (left.delete(undo)) undo();
    },
  };
}

/** Everything that is still owned is undone, the last first. */
export function undoAtExit(): void {
  process.on("exit", () => {
    for (const undo of [...left].toReversed()) {
      try {
        undo();
      } catch (error) {
        process.stderr.write(`bench: ${String(error)}\n`);
      }
    }
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(SIGNAL_BASE + constants.signals[signal]));
}
