/** @module Reviews of the tokens that pods show: each once, and only so many at a time. */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { TokenClaims } from "./callers/token-claims.ts";
import { CrossroleError } from "./errors.ts";

/** Digests of tokens that were accepted, and of others: some for each pod of a large node. */
const MAX_TOKENS = 1_000;

/** For how long a token that was refused is not reviewed again. */
const REFUSED_MS = 10_000;

/** Reviews under way for the pod that tokens claim to be of, and in all: anybody can make tokens up. */
const MAX_OF_POD = 2;
const MAX_REVIEWS = 8;

export interface PodTokenReviewsOptions {
  /** The UID of the pod whose token it is. @throws {@link CrossroleError} `ERR_TOKEN_INVALID` */
  readonly ask: (token: string, claims: TokenClaims) => Promise<string>;
  readonly now: () => number;
}

export class PodTokenReviews {
  readonly #options: PodTokenReviewsOptions;
  /** By digest. Each kind by itself, so that no flood of forged tokens takes the place of good ones. */
  readonly #accepted = new LRUCache<string, string>({ max: MAX_TOKENS });
  readonly #refused = new LRUCache<string, CrossroleError>({ max: MAX_TOKENS, ttl: REFUSED_MS });
  readonly #underWay = new Map<string, { readonly of: string; readonly uid: Promise<string> }>();

  constructor(options: PodTokenReviewsOptions) {
    this.#options = options;
  }

  /**
   * The UID of the pod whose token it is.
   *
   * @throws {@link CrossroleError} of `ask`; `ERR_CALLER_PENDING` when too many are under way.
   */
  async uidOf(token: string, claims: TokenClaims): Promise<string> {
    const digest = createHash("sha256").update(token).digest("base64url");
    const accepted = this.#accepted.get(digest);
    if (accepted !== undefined) return accepted;
    const refused = this.#refused.get(digest);
    if (refused !== undefined) throw refused;
    const underWay = this.#underWay.get(digest) ?? this.#start(digest, token, claims);
    return await underWay.uid;
  }

  #start(digest: string, token: string, claims: TokenClaims) {
    const all = [...this.#underWay.values()];
    const ofPod = all.filter((review) => review.of === claims.uid);
    if (all.length >= MAX_REVIEWS || ofPod.length >= MAX_OF_POD) {
      const message = "too many tokens are being reviewed";
      throw new CrossroleError("ERR_CALLER_PENDING", message);
    }
    const review = { of: claims.uid, uid: this.#review(digest, token, claims) };
    this.#underWay.set(digest, review);
    return review;
  }

  async #review(digest: string, token: string, claims: TokenClaims): Promise<string> {
    const { ask, now } = this.#options;
    try {
      const uid = await ask(token, claims);
      this.#accepted.set(digest, uid, { ttl: Math.max(1, claims.expiration.getTime() - now()) });
      return uid;
    } catch (error) {
      // What could not be asked is asked again by the next request.
      if (error instanceof CrossroleError && error.code === "ERR_TOKEN_INVALID") {
        this.#refused.set(digest, error);
      }
      throw error;
    } finally {
      this.#underWay.delete(digest);
    }
  }
}
