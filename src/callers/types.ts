/** @module Who is asking, and what a face may know of them. */
import type { RoleSession } from "../credentials/types.ts";

/** The other end of a connection, as the kernel says it: never a header. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** A caller that has been told from others, and the one role session it may have. */
export interface CallerSession {
  /** Who it is: metadata tokens are bound to this text. Stable for as long as the caller lives. */
  readonly caller: string;
  /** The name under which clients see the role. */
  readonly roleName: string;
  readonly session: RoleSession;
}

/**
 * Finds the caller behind `peer` and its session.
 *
 * @throws {@link CrossroleError} `ERR_CALLER_UNKNOWN` when it cannot be told, or may have nothing.
 */
export type SessionFor = (peer: Peer) => CallerSession;
