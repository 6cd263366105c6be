/** @module crossrole as a process of its own in a network namespace. */
import { fileURLToPath } from "node:url";
import { Program } from "../clients/program.ts";
import { within } from "../clients/until.ts";
import type { Namespace } from "./namespaces-namespace.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const COMPILE_CACHE = fileURLToPath(
  new URL("../../node_modules/.cache/crossrole-tests", import.meta.url),
);

export interface CrossroleOptions {
  /** What it is put behind besides, like `setpriv`. */
  readonly behind?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts crossrole in `namespace`; whoever starts it stops it. */
export function startCrossroleIn(
  namespace: Namespace,
  args: readonly string[],
  { behind = [], env = {} }: CrossroleOptions = {},
): Program {
  const command = [...namespace.enter, ...behind, process.execPath, MAIN, ...args];
  const PATH = process.env["PATH"] ?? "";
  return new Program(command, {
    env: { PATH, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    cwd: import.meta.dirname,
  });
}

export interface CrossroleEnd {
  readonly code: number | null;
  readonly stdout: string;
  /** The lines of stderr. */
  readonly errors: readonly string[];
}

/** Runs crossrole in `namespace` to its end. */
export async function crossroleIn(
  namespace: Namespace,
  args: readonly string[],
  options: CrossroleOptions = {},
): Promise<CrossroleEnd> {
  const program = startCrossroleIn(namespace, args, options);
  try {
    const { code } = await within(`the end of crossrole ${args.join(" ")}`, program.ended);
    const errors = program.stderr.split("\n").filter((line) => line !== "");
    return { code, stdout: program.stdout, errors };
  } finally {
    await program.stop();
  }
}
