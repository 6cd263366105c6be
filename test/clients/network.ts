/** @module A network of a test's own, in which 169.254.169.254 is an address and every port is free. */
import path from "node:path";
import { Program } from "./program.ts";

/** Where to run programs, and what reaches the recorder from there. */
export interface Network {
  /** What a command is put behind to run in it. */
  readonly enter: readonly string[];
  close(): Promise<void>;
}

const OWN_ADDRESS = "ip link set lo up && ip addr add 169.254.169.254/32 dev lo";

/**
 * A network namespace without a name: it is gone with the last process in it, whatever ends this
 * process. In it is a relay that listens where the recorder does outside, and goes on to its socket.
 */
export async function ownNetwork(recorder: {
  readonly port: number;
  readonly socket: string;
}): Promise<Network> {
  const relay = [process.execPath, path.join(import.meta.dirname, "programs/relay.mjs")];
  const passOn = [...relay, `127.0.0.1:${recorder.port}`, recorder.socket];
  const command = ["unshare", "--net", "sh", "-c", `${OWN_ADDRESS} && exec "$@"`, "sh", ...passOn];
  const program = new Program(command, {
    env: { PATH: process.env["PATH"] ?? "" },
    cwd: import.meta.dirname,
  });
  await program.said("stdout", /^listening/m).catch(async (error: unknown) => {
    await program.stop();
    throw new Error("no network namespace can be made", { cause: error });
  });
  return {
    enter: ["nsenter", `--net=/proc/${program.pid}/ns/net`, "--"],
    close: () => program.stop(),
  };
}
