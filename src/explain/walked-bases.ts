/** @module What signs the first call of each chain: loaded once, and asked who it is. */
import { readFile } from "node:fs/promises";
import type { BaseCredentials, SigningCredentials } from "../credentials/types.ts";
import { validateBase } from "../credentials/validate.ts";
import type { BaseReport, Failure } from "./check-report.ts";
import { baseFailureOf } from "./failure.ts";
import type { Finding } from "./finding.ts";
import { lifeOf } from "./life.ts";
import { principalOf } from "./principal.ts";
import { baseFindings } from "./session-findings.ts";
import type { WalkOptions } from "./walk.ts";
import { KEYS } from "../sts/base-source.ts";

/** No call of a check takes longer: 10 seconds, as in the daemon. */
const PATIENCE_MS = 10_000;

export function patience(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(PATIENCE_MS) };
}

interface WalkedBase {
  readonly base: BaseCredentials;
  readonly credentials?: SigningCredentials;
  readonly identity?: string;
  readonly failure?: Failure;
}

export class WalkedBases {
  readonly findings: Finding[] = [];
  readonly #options: Pick<WalkOptions, "aws" | "now">;
  /** By name: two roles with a base of one name have the same base, but for the region. */
  readonly #bases = new Map<string, WalkedBase>();

  constructor(options: Pick<WalkOptions, "aws" | "now">) {
    this.#options = options;
  }

  async load(base: BaseCredentials): Promise<void> {
    if (this.#bases.has(base.name)) return;
    this.#bases.set(base.name, await this.#walk(base));
  }

  /** What signs; undefined when it was not found, or STS does not take it. */
  credentialsOf({ name }: BaseCredentials): SigningCredentials | undefined {
    const { credentials, failure } = this.#bases.get(name) ?? {};
    return failure === undefined ? credentials : undefined;
  }

  identityOf({ name }: BaseCredentials): string | undefined {
    return this.#bases.get(name)?.identity;
  }

  reports(): BaseReport[] {
    return [...this.#bases.values()].map((walked) => this.#report(walked));
  }

  async #walk(base: BaseCredentials): Promise<WalkedBase> {
    const { aws, now } = this.#options;
    let credentials: SigningCredentials;
    try {
      credentials = validateBase(await aws.loadBase(base, patience()), base, now());
    } catch (error) {
      return { base, failure: baseFailureOf(error, await webIdentityOf(base)) };
    }
    const who = await this.#identify(base, credentials);
    const isFromVariables = aws.sourceOf(base) === KEYS;
    this.findings.push(...baseFindings(base, credentials, who.identity, isFromVariables));
    return { base, credentials, ...who };
  }

  #report({ base, credentials, identity, failure }: WalkedBase): BaseReport {
    const { aws, now } = this.#options;
    const account = principalOf(identity ?? "")?.accountId;
    return {
      name: base.name,
      provider: base.provider.kind,
      source: aws.sourceOf(base),
      ...(credentials === undefined ? {} : { accessKeyId: credentials.accessKeyId }),
      ...(identity === undefined ? {} : { identity }),
      ...(account === undefined ? {} : { account }),
      ...(credentials === undefined ? {} : lifeOf(credentials, now())),
      ...(failure === undefined ? {} : { failure }),
    };
  }

  /** IAM cannot refuse this call; where something on the way does, the roles may be assumed all the same. */
  async #identify(
    base: BaseCredentials,
    credentials: SigningCredentials,
  ): Promise<Pick<WalkedBase, "identity" | "failure">> {
    try {
      return { identity: await this.#options.aws.identify(base, credentials, patience()) };
    } catch (error) {
      const failure = baseFailureOf(error);
      if (failure.code !== "ERR_ROLE_DENIED") return { failure };
      const where = `base ${base.name}`;
      const { message } = failure;
      this.findings.push({ level: "warning", code: "unknown-identity", where, message });
      return {};
    }
  }
}

async function webIdentityOf({ provider }: BaseCredentials) {
  if (provider.kind !== "webIdentity") return undefined;
  // Its claims go into a statement; where it cannot be read, that was the failure.
  const token = await readFile(provider.tokenFile, "utf8").catch(() => "");
  return { roleArn: provider.roleArn, token: token.trim() };
}
