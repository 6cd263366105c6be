/** @module What a running daemon cannot take over: it was made with it. */
import { isDeepStrictEqual } from "node:util";
import type { Address, Config } from "./config/types.ts";
import type { Log } from "./log.ts";

/** Says which keys of `config` hold from the next start on, so that nobody waits for them. */
export function warnOfRestart(config: Config, started: Config, log: Log): void {
  const keys = [
    ...(isDeepStrictEqual(config.sts, started.sts) ? [] : ["sts"]),
    ...(config.stateDirectory === started.stateDirectory ? [] : ["state"]),
    ...((config.operations === undefined) === (started.operations === undefined)
      ? []
      : ["operations"]),
    ...(isDeepStrictEqual(sharedIn(config, started), sharedIn(started, config))
      ? []
      : ["listeners.reusePort"]),
  ];
  if (keys.length > 0) log.warn("taken over at the next start only", { keys: keys.join(", ") });
}

/** The addresses of `one` that the other has as well, and whether each is shared. */
function sharedIn(one: Config, other: Config): ReadonlyMap<string, boolean> {
  const known = new Set(other.listeners.map(({ address }) => nameOf(address)));
  return new Map(
    one.listeners
      .filter(({ address }) => known.has(nameOf(address)))
      .map(({ address }) => [nameOf(address), address.reusePort ?? false]),
  );
}

function nameOf({ host, port }: Address): string {
  return `${host} ${port}`;
}
