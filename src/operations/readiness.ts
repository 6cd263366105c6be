/** @module Whether the daemon can serve whoever it is for, and if not, why. */
import { sessionKey } from "../credentials/session-key.ts";
import type { CredentialEvent, RoleSession } from "../credentials/types.ts";
import type { DaemonView } from "./view.ts";

/** Whether a session has been obtained once; it stays so while STS is away. */
export type Obtained = (session: RoleSession) => boolean;

/** Remembers which of the configured roles have been obtained once. */
export class ObtainedOnce {
  readonly #keys = new Set<string>();
  #wanted: ReadonlySet<string> = new Set();
  readonly #view: () => DaemonView | undefined;

  constructor(view: () => DaemonView | undefined) {
    this.#view = view;
  }

  readonly has: Obtained = (session) => {
    const key = sessionKey(session);
    // What a restart brought back was obtained by the process before.
    if (this.#view()?.stateOf(session)?.held !== undefined) this.#keys.add(key);
    return this.#keys.has(key);
  };

  readonly onEvent = ({ type, source }: CredentialEvent): void => {
    // A node's pods come and go for years: of their sessions nothing is remembered.
    const key = sessionKey(source);
    if (type === "obtained" && this.#wanted.has(key)) this.#keys.add(key);
  };

  /** Remembers the sessions of the configuration, and forgets every other. */
  retain(wanted: Iterable<RoleSession>): void {
    this.#wanted = new Set([...wanted].map(sessionKey));
    for (const key of this.#keys) if (!this.#wanted.has(key)) this.#keys.delete(key);
  }
}

/** Every reason why /readyz says no, a line each; empty when it says yes. `isBrief`: without what STS said. */
export function unready(view: DaemonView, obtained: Obtained, isBrief = false): string[] {
  const listeners = view.listeners();
  const served = new Set(listeners.flatMap(({ roles }) => roles));
  return [
    ...listeners.filter(({ isUp }) => !isUp).map(({ key }) => `listener ${key} is not open`),
    ...(view.pods()?.isKnown === false ? ["the pods of this node are not known yet"] : []),
    ...[...served].flatMap((name) => roleUnready(name, view, obtained, isBrief) ?? []),
  ];
}

/** Why a role is not ready; undefined when it is. */
export function roleUnready(
  name: string,
  view: DaemonView,
  obtained: Obtained,
  isBrief = false,
): string | undefined {
  const session = view.sessionOf(name);
  if (obtained(session)) return undefined;
  const failure = isBrief ? undefined : view.stateOf(session)?.failure;
  const why = failure === undefined ? "" : `: ${failure.error.message}`;
  return `role ${name} has not been obtained yet${why}`;
}
