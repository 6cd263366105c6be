/** @module The user behind a local connection: the owner of its socket, asked of the kernel once. */
import { CrossroleError } from "../errors.ts";
import { ownerOf } from "./socket-table.ts";
import type { SocketTables } from "./socket-table.ts";
import type { IdentifyCaller, Peer } from "./types.ts";

/** Who is answered: everybody who reaches the listener, or these uids. */
export type AllowedUsers = "any" | ReadonlySet<number>;

export type ReadSocketTables = () => Promise<SocketTables>;

/**
 * Identifies callers by the owner of their socket. `allowed` is asked at each connection, so that a
 * reload of the configuration holds for the next one.
 *
 * Whoever cannot be told is refused: a peer on another machine or in another network namespace, a
 * socket that is gone, a table that cannot be read.
 */
export function identifyLocalUser(
  allowed: () => AllowedUsers,
  readTables: ReadSocketTables | undefined,
): IdentifyCaller {
  const users = new WeakMap<object, Promise<number | undefined>>();
  const known = new WeakMap<object, number>();
  const userOf = async (peer: Peer) => {
    // What went wrong with the table is all the same to the caller: it cannot be told, and is refused.
    const user = await findUser(peer, readTables).catch(() => undefined);
    if (user !== undefined) known.set(peer.connection, user);
    return user;
  };
  return (peer) => {
    const who = allowed();
    if (who === "any") return peer.address;
    const user = known.get(peer.connection);
    if (user !== undefined) return admit(user, who, peer);
    let pending = users.get(peer.connection);
    if (pending === undefined) {
      pending = userOf(peer);
      users.set(peer.connection, pending);
    }
    return pending.then((found) => admit(found, who, peer));
  };
}

function admit(user: number | undefined, allowed: ReadonlySet<number>, peer: Peer): string {
  if (user !== undefined && allowed.has(user)) return `uid:${user}`;
  const list = [...allowed].join(", ");
  const who =
    user === undefined
      ? `no local process could be found behind ${peer.address} port ${peer.port}`
      : `the caller is uid ${user}`;
  throw new CrossroleError(
    "ERR_CALLER_UNKNOWN",
    `${who}; this listener answers uid ${list}: add the user to its allowUsers, or "any" for whoever reaches it`,
  );
}

async function findUser(
  peer: Peer,
  readTables: ReadSocketTables | undefined,
): Promise<number | undefined> {
  if (readTables === undefined) return undefined;
  // The caller's own socket: its local end is what is remote here.
  const pair = {
    local: { address: peer.address, port: peer.port },
    remote: { address: peer.localAddress, port: peer.localPort },
  };
  // The kernel writes the table in pieces: a row can be missed while others come and go.
  return ownerOf(await readTables(), pair) ?? ownerOf(await readTables(), pair);
}
