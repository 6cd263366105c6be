/** @module Sockets that systemd has opened for this process, and what a listener needs of the kernel. */
import { readFile } from "node:fs/promises";
import type { InheritedSocket } from "../http/inherited.ts";
import { CrossroleError } from "../errors.ts";

/** The first one's number, by agreement. */
const FIRST_FD = 3;
/** More listeners than anybody has. */
const MAX_SOCKETS = 1_024;

type Environment = Record<string, string | undefined>;

/**
 * The sockets that `environment` tells of, which is then told of them no more: a program that is
 * started from here (a base's `process`) must not take them for its own.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
 * @throws {@link CrossroleError} `ERR_LISTEN_FAILED` when LISTEN_FDS is no number of sockets.
 */
export function takePassedSockets(environment: Environment, pid: number): InheritedSocket[] {
  const { LISTEN_FDS: count, LISTEN_PID: forPid, LISTEN_FDNAMES: names = "" } = environment;
  for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) {
    Reflect.deleteProperty(environment, name);
  }
  if (count === undefined || Number(forPid) !== pid) return [];
  const sockets = Number(count);
  if (!/^\d+$/.test(count) || sockets > MAX_SOCKETS) {
    const message = `LISTEN_FDS must be a number of sockets, is ${JSON.stringify(count)}`;
    throw new CrossroleError("ERR_LISTEN_FAILED", message);
  }
  const nameOf = names.split(":");
  return Array.from({ length: sockets }, (_, index) => ({
    fd: FIRST_FD + index,
    name: nameOf[index] || `socket ${index + 1}`,
  }));
}

/**
 * Whether the kernel hands the connections that wait at a closing socket to another one of the same
 * address; undefined where it does not say.
 *
 * @see https://docs.kernel.org/networking/ip-sysctl.html#tcp-variables
 */
export async function migratesRequests(): Promise<boolean | undefined> {
  try {
    return (await readFile("/proc/sys/net/ipv4/tcp_migrate_req", "utf8")).trim() === "1";
  } catch {
    return undefined;
  }
}
