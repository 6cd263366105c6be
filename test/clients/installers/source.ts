/** @module Where the tests of clients are. */
import path from "node:path";

/** A file of them. */
export function source(name: string): string {
  return path.join(import.meta.dirname, "..", name);
}
