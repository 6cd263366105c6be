/**
 * @module What systemd does for socket units: opens the sockets, starts the command with them, and starts
 * it again when it has ended well or by a signal. Prints `pid N` before each start.
 *
 * node socket-holder.ts TIMES HOST:PORT[,HOST:PORT...] COMMAND [ARG...]
 *
 * TIMES is how often it is started; the exit code is the last one's.
 */
import { spawnSync } from "node:child_process";
import { createServer } from "node:net";

const [times = "", addresses = "", ...command] = process.argv.slice(2);

/** LISTEN_PID is that of the process that this shell becomes. */
const START =
  'export LISTEN_PID=$$ LISTEN_FDS=$1 LISTEN_FDNAMES=$2; shift 2; echo "pid $$"; exec "$@"';

const fds: number[] = [];
const wanted = addresses.split(",");
for (const address of wanted) {
  const { hostname, port } = new URL(`http://${address}`);
  const server = createServer();
  server.listen({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || 80),
    backlog: 4_096,
  });
  server.once("listening", () => {
    const handle: unknown = Reflect.get(server, "_handle");
    fds.push((handle as { readonly fd: number }).fd);
    if (fds.length === wanted.length) hold();
  });
}

/** The event loop never turns again: this process holds the sockets and accepts nothing. */
function hold(): never {
  const names = wanted.map((_, index) => `socket-${index}`).join(":");
  let status = 0;
  for (let time = 0; time < Number(times); time++) {
    const args = ["-c", START, "sh", String(fds.length), names, ...command];
    // By a signal it has no status.
    status = spawnSync("sh", args, { stdio: ["ignore", 1, 2, ...fds] }).status ?? 0;
    if (status !== 0) break;
  }
  process.exit(status);
}
