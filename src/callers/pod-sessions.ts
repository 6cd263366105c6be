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

/** How long a refusal stands for a pod that asks in a loop: patterns of its namespace cost time. */
const REFUSED_MS = 5_000;

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

interface Refused {
  readonly rules: RoleRules;
  readonly atMs: number;
  readonly error: CrossroleError;
}

export class PodSessions {
  readonly #options: PodSessionsOptions;
  readonly #decided = new Map<string, Decided>();
  readonly #refused = new WeakMap<Pod, Refused>();
  /** Whether a session has gone, or has become another, since {@link retain} last told of it. */
  #hasLetGo = false;

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
    if (heedsAnnotations(rules)) return this.#refusal(pod, rules) ?? this.#decide(pod, rules);
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

  /**
   * Lets go of every pod but those that `isWanted`. Whether a session has gone since the last time,
   * in this way or because the pod was refused it.
   */
  retain(isWanted: (uid: string) => boolean): boolean {
    for (const uid of this.#decided.keys()) if (!isWanted(uid)) this.#letGo(uid);
    const hasLetGo = this.#hasLetGo;
    this.#hasLetGo = false;
    return hasLetGo;
  }

  /**
   * Decides anew, in the background, whatever is old: clients ask once an hour, and credentials are
   * renewed for them meanwhile, so that a request alone would be too late to notice.
   *
   * @param podOf the pod with that UID as it is known now
   */
  refresh(podOf: (uid: string) => Pod | undefined): void {
    const decide = async (pod: Pod) => await this.sessionFor(pod);
    for (const uid of this.#decided.keys()) {
      const pod = podOf(uid);
      if (pod === undefined) continue;
      decide(pod).catch(() => {
        // A refusal has taken the session away; the pod is told so when it asks.
      });
    }
  }

  #refusal(pod: Pod, rules: RoleRules): Promise<never> | undefined {
    const refused = this.#refused.get(pod);
    if (refused?.rules !== rules) return undefined;
    const ageMs = this.#options.monotonicMs() - refused.atMs;
    return ageMs > REFUSED_MS ? undefined : Promise.reject(refused.error);
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
    const { hostname, node, monotonicMs } = this.#options;
    if (decision.role === undefined) {
      this.#letGo(pod.uid);
      const message = `pod ${nameOf(pod)} gets no role: ${decision.reason}`;
      const error = new CrossroleError("ERR_ROLE_UNASSOCIATED", message);
      this.#refused.set(pod, { rules, atMs: monotonicMs(), error });
      throw error;
    }
    const { role } = decision;
    const caller = {
      caller: callerOf(pod),
      roleName: role.name,
      session: podSessionOf(role, identityOf(pod), { hostname, node }),
      imdsV1: role.imdsV1,
    };
    const atMs = monotonicMs();
    const before = this.#decided.get(pod.uid)?.caller.session ?? caller.session;
    if (sessionKey(before) !== sessionKey(caller.session)) this.#hasLetGo = true;
    this.#decided.set(pod.uid, { pod, rules, atMs, caller, isRefreshing: false });
    return caller;
  }

  #letGo(uid: string): void {
    if (this.#decided.delete(uid)) this.#hasLetGo = true;
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
    this.#decide(known.pod, known.rules)
      .catch(() => {
        // A refusal has taken the session away; whatever could not be read leaves it as it is.
      })
      .finally(() => {
        // Also after what could not be read, which fails nothing: it is to be tried again.
        known.isRefreshing = false;
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
