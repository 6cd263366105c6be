/** @module A server of the control plane: a process that is waited for, and is gone with this one whatever ends it. */
import { Program } from "../clients/program.ts";
import { until } from "../clients/until.ts";

/** A busy machine takes ten times what an idle one takes. */
const READY_MS = 90_000;

/** What is shown of a log when something fails. */
const LAST_LINES = 40;

/** Starts `command` in `folder`. */
export function startServer(command: readonly string[], folder: string): Program {
  // The kernel kills it when this process is killed and so can do nothing itself.
  const tied = ["setpriv", "--pdeathsig", "KILL", "--", ...command];
  return new Program(tied, { env: { PATH: process.env["PATH"] ?? "", HOME: folder }, cwd: folder });
}

/** Waits until `isReady`. @throws Error with the end of the server's log, as soon as it has ended. */
export async function untilReady(
  name: string,
  server: Program,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const condition = async () => {
    if (server.ending !== undefined)
      throw new Error(`${name} ended with ${server.ending.code ?? server.ending.signal}`);
    return await isReady().catch(() => false);
  };
  try {
    await until(`${name} is ready`, condition, READY_MS);
  } catch (error) {
    throw new Error(`${name} does not start:\n${lastLines(server)}`, { cause: error });
  }
}

/** Kills it. Nothing that a test wants is lost: etcd writes before it answers. */
export async function killServer(server: Program): Promise<void> {
  if (server.ending === undefined) process.kill(server.pid, "SIGKILL");
  await server.stop();
}

/** The end of its log. */
export function lastLines({ stderr }: Program): string {
  return stderr.split("\n").slice(-LAST_LINES).join("\n");
}
