/** @module The session of each pod: its role is decided once, and again when anything it rests on has changed. */
import { isDeepStrictEqual } from "node:util";
import type { AnnotationRules } from "../config/types.ts";
import { sessionKey } from "../credentials/session-key.ts";
import type { CredentialSource, PodIdentity, RoleSession } from "../credentials/types.ts";
import { CrossroleError } from "../errors.ts";
import type { Pod } from "../kubernetes/pod.ts";
import { nameOf } from "./address-verdict.ts";
import { associationFor, heedsAnnotations, roleFor } from "./associations.ts";
import type { Decision, OwnerAnnotations, RoleRules } from "./associations.ts";
import { podSessionOf } from "./role-session.ts";
import type { CallerSession } from "./types.ts";

/** How old a decision may be that annotations of other objects have a part in: they are not watched. */
const ANNOTATIONS_MS = 30_000;

export interface PodSessionsOptions {
  /** What the configuration says now; another object after each reload. */
  readonly rules: () => RoleRules;
  /** The annotations of the pod's service account and namespace. */
  readonly ownerAnnotations: (pod: Pod, heeded: AnnotationRules) => Promise<OwnerAnnotations>;
  readonly hostname: string;
  readonly node: string;
  readonly monotonicMs: () => number;
}

interface Decided {
  readonly pod: Pod;
  readonly rules: RoleRules;
  readonly atMs: number;
  readonly caller: CallerSession;
  isRefreshing: boolean;
}

export class PodSessions {
  readonly #options: PodSessionsOptions;
  readonly #decided = new Map<string, Decided>();

  constructor(options: PodSessionsOptions) {
    this.#options = options;
  }

  /**
   * The session of `pod`, at once when nothing has changed since it was decided.
   *
   * @throws {@link CrossroleError} `ERR_ROLE_UNASSOCIATED` that says which rule is missing, or
   * `ERR_KUBERNETES_UNAVAILABLE` while annotations that matter cannot be read.
   */
  sessionFor(pod: Pod): CallerSession | Promise<CallerSession> {
    const rules = this.#options.rules();
    const known = this.#decided.get(pod.uid);
    if (known?.rules === rules && known.pod === pod) {
      if (this.#isOld(known)) this.#refresh(known);
      return known.caller;
    }
    const associated = associationFor(pod, rules);
    if (associated !== undefined) return this.#keep(pod, rules, associated);
    if (heedsAnnotations(rules)) return this.#decide(pod, rules);
    return this.#keep(pod, rules, roleFor(pod, rules, NO_ANNOTATIONS));
  }

  /** Which rule gives `pod` its role, or why it has none, with everything that was looked at. */
  async explain(pod: Pod): Promise<Decision> {
    const rules = this.#options.rules();
    const owners = heedsAnnotations(rules)
      ? await this.#options.ownerAnnotations(pod, rules.annotations)
      : NO_ANNOTATIONS;
    return roleFor(pod, rules, owners);
  }

  /** The sessions of every pod that has one. */
  sessions(): RoleSession[] {
    return [...this.#decided.values()].map(({ caller }) => caller.session);
  }

  /** What was decided for each pod that has a role, by its UID. */
  decided(): ReadonlyMap<string, CallerSession> {
    return new Map([...this.#decided].map(([uid, { caller }]) => [uid, caller]));
  }

  /** The pods whose chain of sessions has `source` in it. */
  podsBehind(source: CredentialSource): Pod[] {
    const key = sessionKey(source);
    return [...this.#decided.values()]
      .filter(({ caller }) => isInChain(caller.session, key))
      .map(({ pod }) => pod);
  }

  /** Lets go of every pod but those that `isWanted`. Whether there was one to let go of. */
  retain(isWanted: (uid: string) => boolean): boolean {
    const before = this.#decided.size;
    for (const uid of this.#decided.keys()) if (!isWanted(uid)) this.#decided.delete(uid);
    return this.#decided.size < before;
  }

  /** While annotations cannot be read, what was decided for the same pod stands. */
  async #decide(pod: Pod, rules: RoleRules): Promise<CallerSession> {
    const owners = await this.#options
      .ownerAnnotations(pod, rules.annotations)
      .catch((error: unknown) => {
        const known = this.#decided.get(pod.uid);
        const isTheSame =
          known?.rules === rules && isDeepStrictEqual(known.pod.annotations, pod.annotations);
        if (isTheSame) return known.caller;
        throw error;
      });
    return "session" in owners ? owners : this.#keep(pod, rules, roleFor(pod, rules, owners));
  }

  #keep(pod: Pod, rules: RoleRules, decision: Decision): CallerSession {
    if (decision.role === undefined) {
      this.#decided.delete(pod.uid);
      const message = `pod ${nameOf(pod)} gets no role: ${decision.reason}`;
      throw new CrossroleError("ERR_ROLE_UNASSOCIATED", message);
    }
    const { role } = decision;
    const { hostname, node, monotonicMs } = this.#options;
    const caller = {
      caller: callerOf(pod),
      roleName: role.name,
      session: podSessionOf(role, identityOf(pod), { hostname, node }),
      imdsV1: role.imdsV1,
    };
    const atMs = monotonicMs();
    this.#decided.set(pod.uid, { pod, rules, atMs, caller, isRefreshing: false });
    return caller;
  }

  #isOld({ pod, rules, atMs }: Decided): boolean {
    if (!heedsAnnotations(rules)) return false;
    const ageMs = this.#options.monotonicMs() - atMs;
    return ageMs > ANNOTATIONS_MS && associationFor(pod, rules) === undefined;
  }

  /** Behind the caller's back: it is answered by what was decided last. */
  #refresh(known: Decided): void {
    if (known.isRefreshing) return;
    known.isRefreshing = true;
    this.#decide(known.pod, known.rules).catch((error: unknown) => {
      // A refusal has taken the session away; whatever could not be read leaves it as it is.
      known.isRefreshing = false;
      void error;
    });
  }
}

const NO_ANNOTATIONS: OwnerAnnotations = { serviceAccount: {}, namespace: {} };

/** What metadata tokens of a pod are bound to. */
function callerOf({ uid }: Pod): string {
  return `pod:${uid}`;
}

function identityOf({ uid, namespace, serviceAccount, name }: Pod): PodIdentity {
  return { kind: "pod", uid, namespace, serviceAccount, name };
}

function isInChain(session: RoleSession, key: string): boolean {
  let source: RoleSession["source"] = session;
  while (source.kind === "role") {
    if (sessionKey(source) === key) return true;
    source = source.source;
  }
  return sessionKey(source) === key;
}
