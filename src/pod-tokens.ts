/** @module The identity tokens of pods: shown by the pod itself, or made for it by the API server. */
import { LRUCache } from "lru-cache";
import { ClaimedPods } from "./callers/claimed-pods.ts";
import type { PodIndex } from "./callers/pod-index.ts";
import { isLive } from "./callers/pod-index.ts";
import { claimsOf } from "./callers/token-claims.ts";
import type { TokenClaims } from "./callers/token-claims.ts";
import type { IdentityToken, PodIdentity } from "./credentials/types.ts";
import { CrossroleError } from "./errors.ts";
import type { Pod } from "./kubernetes/pod.ts";
import { PodTokenReviews } from "./pod-token-reviews.ts";

/** A token with less life than this is not shown any more: 1 minute. */
const SPARE_MS = 60_000;

/** Tokens in hand: some for each pod of a large node. */
const MAX_TOKENS = 1_000;

interface Token {
  readonly token: string;
  readonly expiration: Date;
}

/** Whose token it is, as the API server says. */
interface Reviewed {
  readonly uid: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
}

export interface PodTokensOptions {
  readonly index: PodIndex;
  readonly audience: string;
  readonly requestToken: (pod: PodIdentity, signal: AbortSignal) => Promise<Token>;
  readonly reviewToken: (token: string) => Promise<Reviewed | undefined>;
  /** The pod of that name as the API server knows it now. */
  readonly find: (pod: Pick<Pod, "namespace" | "name">) => Promise<Pod | undefined>;
  readonly now: () => number;
  readonly monotonicMs: () => number;
}

export class PodTokens {
  readonly #options: PodTokensOptions;
  /** What is in hand, by pod: the last one made, or shown. */
  readonly #held = new LRUCache<string, Token & { readonly isShown: boolean }>({ max: MAX_TOKENS });
  readonly #claimed: ClaimedPods;
  readonly #reviews: PodTokenReviews;

  constructor(options: PodTokensOptions) {
    this.#options = options;
    this.#claimed = new ClaimedPods(options);
    const ask = (token: string, claims: TokenClaims) => this.#ask(token, claims);
    this.#reviews = new PodTokenReviews({ ask, now: options.now });
  }

  /**
   * The port {@link IdentityToken}: what the pod has shown, or else a new one for each call. While the
   * API server is away, the last one serves for what is left of its hour.
   */
  readonly identityToken: IdentityToken = async (pod, { signal }) => {
    const held = this.#held.get(pod.uid);
    const isGood = held !== undefined && held.expiration.getTime() - this.#options.now() > SPARE_MS;
    if (isGood && held.isShown) return held.token;
    try {
      const made = await this.#options.requestToken(pod, signal);
      this.#held.set(pod.uid, { ...made, isShown: false });
      return made.token;
    } catch (error) {
      const code = error instanceof CrossroleError ? error.code : undefined;
      if (code === "ERR_POD_STALE") await this.#settle(pod, error);
      if (code === "ERR_KUBERNETES_UNAVAILABLE" && isGood) return held.token;
      throw error;
    }
  };

  /**
   * The pod whose own token this is, as the API server says: asked once for each token.
   *
   * @throws {@link CrossroleError} `ERR_TOKEN_INVALID`; `ERR_CALLER_PENDING` while it is not known;
   * `ERR_KUBERNETES_UNAVAILABLE` or `ERR_KUBERNETES_DENIED` when the API server cannot be asked.
   */
  async podOf(token: string): Promise<Pod> {
    const { index, audience, now } = this.#options;
    const claims = claimsOf(token);
    if (claims === undefined) throw invalid("is not the token of a pod");
    if (claims.expiration.getTime() <= now()) throw invalid("has expired");
    if (!claims.audiences.includes(audience)) throw invalid(`has not the audience ${audience}`);
    // Whoever is no pod of this node costs the API server no review.
    const claimed = await this.#claimed.find(claims);
    if (claimed === undefined || !isLive(claimed, now())) {
      throw invalid("is not the token of a pod of this node");
    }
    const pod = index.get(await this.#reviews.uidOf(token, claims));
    if (pod !== undefined && isLive(pod, now())) return pod;
    throw invalid("is the token of a pod that has ended");
  }

  /** Lets go of the tokens of a pod that has ended. */
  forget(uid: string): void {
    this.#held.delete(uid);
  }

  async #ask(token: string, { expiration }: TokenClaims): Promise<string> {
    const reviewed = await this.#options.reviewToken(token);
    const pod = this.#options.index.get(reviewed?.uid ?? "");
    const isOfPod =
      reviewed !== undefined &&
      pod?.namespace === reviewed.namespace &&
      pod.serviceAccount === reviewed.serviceAccount &&
      pod.name === reviewed.pod;
    if (!isOfPod) throw invalid("is not accepted by the API server as that of a pod of this node");
    this.#held.set(reviewed.uid, { token, expiration, isShown: true });
    return reviewed.uid;
  }

  /**
   * A pod that is really gone is let go of. For one that is there the API server is behind itself: right
   * after a pod was bound it may not know yet what runs on the node, so that is asked again soon.
   */
  async #settle(identity: PodIdentity, error: unknown): Promise<void> {
    const { index, find } = this.#options;
    const { mark } = index;
    const found = await find(identity);
    if (found?.uid !== identity.uid) {
      index.apply({ type: "deleted", uid: identity.uid });
      return;
    }
    index.applyRead(found, mark);
    const said = error instanceof Error ? error.message : "";
    throw new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", said, { cause: error });
  }
}

function invalid(what: string): CrossroleError {
  return new CrossroleError("ERR_TOKEN_INVALID", `the Authorization header ${what}`);
}
