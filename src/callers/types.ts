/** @module Who is asking, and what a face may know of them. */
import type { RoleSession, TemporaryCredentials } from "../credentials/types.ts";

/** The other end of a connection, as the kernel says it: never a header. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  /** This end. */
  readonly localAddress: string;
  readonly localPort: number;
  /** Stands for the connection: what was found out of it once holds while it lasts. */
  readonly connection: object;
  /** How many of its requests have been answered. */
  readonly answered: number;
}

/** A caller that has been told from others, and the one role session it asks for. */
export interface CallerSession {
  /** Who it is: metadata tokens are bound to this text. Stable for as long as the caller lives. */
  readonly caller: string;
  /** The name under which clients see the role. */
  readonly roleName: string;
  readonly session: RoleSession;
  /** Whether the role may be asked for without a metadata token. */
  readonly imdsV1: boolean;
}

/** Told of every hand-out; `waited` when the caller had to wait for STS. */
export type OnHandOut = (
  caller: CallerSession,
  credentials: TemporaryCredentials,
  waited: boolean,
) => void;

/**
 * Tells who is behind a connection.
 *
 * @returns a text that stands for the caller, at once where nothing has to be looked up.
 * @throws {@link CrossroleError} `ERR_CALLER_UNKNOWN` when it cannot be told, or may have nothing.
 */
export type IdentifyCaller = (peer: Peer) => string | Promise<string>;

/**
 * Finds the caller behind `peer` and its session: the one of the listener, or of the role that the
 * request's path names on a listener with several.
 *
 * @throws {@link CrossroleError} `ERR_CALLER_UNKNOWN`; `ERR_NOT_FOUND` for a role that is not served here.
 */
export type SessionFor = (
  peer: Peer,
  roleName: string | undefined,
) => CallerSession | Promise<CallerSession>;

/** Where the authorization token of a role's container credentials is: in a file that is written here and read by clients, or given. */
export type AuthorizationToken =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "value"; readonly value: string };
