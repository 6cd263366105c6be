/** @module Walks every chain of a configuration as the daemon would: base, hops, roles, each session once. */
import type { Config } from "../config/types.ts";
import { sessionKey } from "../credentials/session-key.ts";
import type { RoleSession, SigningCredentials } from "../credentials/types.ts";
import { validateSession } from "../credentials/validate.ts";
import type { Assumed, Aws } from "./aws.ts";
import { chainsOf, stepsOf } from "./chains.ts";
import type { Chain } from "./chains.ts";
import type { CheckReport, Failure, RoleReport, StepReport } from "./check-report.ts";
import { configFindings } from "./config-findings.ts";
import { failureOf } from "./failure.ts";
import type { Finding } from "./finding.ts";
import { principalOf } from "./principal.ts";
import { assumedFindings, longerFinding, skewFindings, trustFindings } from "./session-findings.ts";
import { lifeOf } from "./life.ts";
import { WalkedBases, patience } from "./walked-bases.ts";

export interface WalkOptions {
  readonly config: Config;
  readonly aws: Aws;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  /** Whether roles are assumed; else only who signs is asked for. */
  readonly assume: boolean;
  readonly now: () => number;
}

/** The longest that AWS lets any session of a role be: 12 hours. */
const MAX_SECONDS = 43_200;

/** How many chains are walked at once. */
const AT_ONCE = 5;

/** Asks AWS, and says what works, what does not, and what will bite later. Throws nothing of AWS's. */
export async function walk(options: WalkOptions): Promise<CheckReport> {
  const { config, aws, assume } = options;
  const walker = new Walker(options);
  const chains = chainsOf(config, { hostname: options.hostname });
  // What signs comes first, so that one source is not asked by several chains at once.
  for (const { role, subjects } of chains) {
    if (subjects === undefined) await walker.bases.load(role.base);
  }
  const roles: RoleReport[] = [];
  for (let at = 0; at < chains.length; at += AT_ONCE) {
    const some = chains.slice(at, at + AT_ONCE);
    roles.push(...(await Promise.all(some.map((chain) => walker.role(chain)))));
  }
  const bases = walker.bases.reports();
  const findings = unique([
    ...configFindings(config, options.environment),
    ...walker.bases.findings,
    ...walker.findings,
    ...skewFindings(aws.skewMs()),
  ]);
  const isBroken =
    bases.some(({ failure }) => failure !== undefined) ||
    roles.some(({ state }) => state === "failed") ||
    findings.some(({ level }) => level === "error");
  return { ok: !isBroken, assumed: assume, bases, roles, findings };
}

/** What became of one session. */
type Walked =
  | { readonly assumed: Assumed }
  | { readonly failure: Failure }
  /** What signs it failed before. */
  | undefined;

class Walker {
  readonly bases: WalkedBases;
  readonly findings: Finding[] = [];
  readonly #options: WalkOptions;
  /** A session that several roles share is assumed once, as the cache would. */
  readonly #walked = new Map<string, Promise<Walked>>();

  constructor(options: WalkOptions) {
    this.#options = options;
    this.bases = new WalkedBases(options);
  }

  async role({ role, session, subjects }: Chain): Promise<RoleReport> {
    const { name, arn } = role;
    const sessions = stepsOf(session);
    for (const step of sessions) this.findings.push(...trustFindings(step, this.#account(step)));
    if (subjects !== undefined) {
      return { name, arn, state: "pods", steps: sessions.map((step) => idle(step, "pods")) };
    }
    const base = role.base.name;
    if (!this.#options.assume) {
      const steps = sessions.map((step) => idle(step, "unasked"));
      return { name, arn, base, state: "unasked", steps };
    }
    const steps: StepReport[] = [];
    for (const step of sessions) steps.push(this.#report(step, await this.#walk(step)));
    const isOk = steps.every(({ state }) => state === "assumed");
    return { name, arn, base, state: isOk ? "ok" : "failed", steps };
  }

  /** The account of who signs, as far as it is known. */
  #account({ source }: RoleSession): string | undefined {
    if (source.kind === "pod") return undefined;
    const arn = source.kind === "role" ? source.roleArn : this.bases.identityOf(source);
    return principalOf(arn ?? "")?.accountId;
  }

  async #walk(session: RoleSession): Promise<Walked> {
    const key = sessionKey(session);
    const known = this.#walked.get(key) ?? this.#assume(session);
    this.#walked.set(key, known);
    return await known;
  }

  async #assume(session: RoleSession): Promise<Walked> {
    const signer = await this.#signerOf(session);
    if (signer === undefined) return undefined;
    const { aws, now } = this.#options;
    try {
      const assumed = await aws.assume(session, signer, patience());
      validateSession(assumed.credentials, session, now());
      this.findings.push(...assumedFindings(session, signer, assumed));
      await this.#lookForLonger(session, signer);
      return { assumed };
    } catch (error) {
      const { source } = session;
      const identity = source.kind === "base" ? this.bases.identityOf(source) : undefined;
      return { failure: failureOf(error, session, identity) };
    }
  }

  async #signerOf({ source }: RoleSession): Promise<SigningCredentials | undefined> {
    if (source.kind === "pod") return undefined;
    if (source.kind === "base") return this.bases.credentialsOf(source);
    const walked = await this.#walk(source);
    return walked !== undefined && "assumed" in walked ? walked.assumed.credentials : undefined;
  }

  /** Only the role knows its maximum, and IAM is not asked: a session that is a second longer is given, or refused. */
  async #lookForLonger(session: RoleSession, signer: SigningCredentials): Promise<void> {
    const isChained = session.source.kind === "role" || signer.sessionToken !== undefined;
    const { durationSeconds } = session;
    if (isChained || durationSeconds >= MAX_SECONDS) return;
    const longer = { ...session, durationSeconds: durationSeconds + 1 };
    const isAllowed = await this.#options.aws.assume(longer, signer, patience()).then(
      () => true,
      // Refused, as most are; whatever else it was, the session itself has been given.
      () => false,
    );
    if (isAllowed) this.findings.push(longerFinding(session));
  }

  #report(session: RoleSession, walked: Walked): StepReport {
    const step = idle(session, "unreached");
    if (walked === undefined) return step;
    if ("failure" in walked) return { ...step, state: "failed", failure: walked.failure };
    const { credentials, packedPolicySize } = walked.assumed;
    return {
      ...step,
      state: "assumed",
      accessKeyId: credentials.accessKeyId,
      ...lifeOf(credentials, this.#options.now()),
      ...(packedPolicySize === undefined ? {} : { packedPolicySize }),
    };
  }
}

function idle(session: RoleSession, state: StepReport["state"]): StepReport {
  const { roleArn, sessionName, durationSeconds } = session;
  return { roleArn, sessionName, durationSeconds, state };
}

/** Roles that share a hop say the same of it. */
function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [JSON.stringify(finding), finding])).values()];
}
