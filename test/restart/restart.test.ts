import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Outcome, Way } from "./scene.ts";

const SCENE = fileURLToPath(new URL("scene.ts", import.meta.url));
const TIMES = 20;
const REQUESTS_PER_SECOND = 500;

/**
 * Every scene has a network of its own: the kernel's table of sockets is not full of what other tests
 * have left there, and the setting that reusePort needs is nobody else's.
 */
const NETWORK = [
  "ip link set lo up",
  "echo 1 > /proc/sys/net/ipv4/tcp_migrate_req",
  'exec "$@"',
].join(" && ");

async function outcomeOf(way: Way): Promise<Outcome> {
  const user = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const args = [process.execPath, SCENE, way, String(TIMES), String(REQUESTS_PER_SECOND)];
  const scene = spawn("unshare", ["--net", ...user, "sh", "-c", NETWORK, "sh", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own, so that it ends with what it has started.
    detached: true,
  });
  try {
    const ended = new Promise((resolve) => {
      scene.once("close", resolve);
    });
    const [stdout, stderr] = await Promise.all([text(scene.stdout), text(scene.stderr)]);
    await ended;
    if (scene.exitCode !== 0) throw new Error(`the scene failed: ${stderr}`);
    const outcome = JSON.parse(stdout) as Outcome;
    // For whoever looks for the reason.
    if (Object.keys(outcome.failures).length > 0) process.stderr.write(outcome.output);
    return outcome;
  } finally {
    if (scene.exitCode === null && scene.pid !== undefined) process.kill(-scene.pid, "SIGKILL");
  }
}

describe(`${REQUESTS_PER_SECOND} requests a second, on new and on kept connections, with one metadata token`, () => {
  it.each<[string, Way]>([
    ["stopped and started behind a socket that systemd would hold", "socket-sigterm"],
    ["replaced by another one that answers beside it (reusePort)", "overlap"],
    ["told to reload by a storm of SIGHUP, while a role and its listener come and go", "sighup"],
  ])(`are all answered, none sent twice, while the daemon is ${TIMES} times %s`, async (_, way) => {
    const outcome = await outcomeOf(way);

    expect(outcome.failures).toEqual({});
    expect(outcome.retries).toBe(0);
    expect(outcome.stsCalls).toBe(1);
  });

  it(`are all answered, some sent once more after a reset as clients do, while the daemon is ${TIMES} times killed behind such a socket (SIGKILL)`, async () => {
    const outcome = await outcomeOf("socket-sigkill");

    expect(outcome.failures).toEqual({});
    expect(outcome.stsCalls).toBe(1);
  });
});
