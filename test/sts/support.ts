/** @module What the tests of the AWS edge share: sessions, signers, and a fake STS to assume at. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { SigningCredentials } from "../../src/credentials/types.ts";
import type {
  BaseCredentials,
  BaseProvider,
  RoleSession,
  TemporaryCredentials,
} from "../../src/credentials/types.ts";
import { CrossroleError } from "../../src/errors.ts";
import { assumeRoleWith } from "../../src/sts/assume-role.ts";
import { connectSts } from "../../src/sts/sts-client.ts";
import type { CallSts } from "../../src/sts/sts-client.ts";
import { CANARY, startFakeSts } from "../support/fake-sts.ts";
import type { FakeKey, FakeRole, FakeSts } from "../support/fake-sts.ts";

export const READER = "arn:aws:iam::222222222222:role/orders-reader";
export const GATEWAY = "arn:aws:iam::111111111111:role/gateway";

export function baseOf(provider: BaseProvider = { kind: "environment" }): BaseCredentials {
  return { kind: "base", name: "hub", provider, region: "eu-west-1" };
}

export function sessionOf(inputs: Partial<RoleSession> = {}): RoleSession {
  return {
    kind: "role",
    source: baseOf(),
    roleArn: READER,
    sessionName: "orders-laptop",
    durationSeconds: 3_600,
    region: "eu-west-1",
    sessionTags: {},
    transitiveTagKeys: [],
    policyArns: [],
    ...inputs,
  };
}

export function signerOf(key: Omit<FakeKey, "arn">): SigningCredentials {
  return new SigningCredentials({ ...key, issuedAt: new Date() });
}

export function patience(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(15_000) };
}

export interface Edge extends AsyncDisposable {
  readonly sts: FakeSts;
  readonly callSts: CallSts;
  /** A user's long-lived key. */
  readonly key: FakeKey;
  /** Every skew that was reported, in milliseconds. */
  readonly skews: number[];
  /** Assumes {@link READER}, or what `inputs` say, signed by the user or by `signer`. */
  assume(inputs?: Partial<RoleSession>, signer?: SigningCredentials): Promise<TemporaryCredentials>;
}

/** A fake STS with a user who may assume {@link READER}, and the edge that speaks to it. */
export async function startEdge(role: Partial<FakeRole> = {}): Promise<Edge> {
  const sts = await startFakeSts();
  const skews: number[] = [];
  const { callSts } = connectSts({ endpoint: sts.url, onSkew: (skewMs) => skews.push(skewMs) });
  const assumeRole = assumeRoleWith(callSts);
  const key = sts.addKey();
  sts.addRole({ arn: READER, ...role });
  return {
    sts,
    callSts,
    key,
    skews,
    assume: (inputs, signer = signerOf(key)) => assumeRole(sessionOf(inputs), signer, patience()),
    [Symbol.asyncDispose]: () => sts.close(),
  };
}

/** The error that `promise` is rejected with; it must be one of ours, on one line. */
export async function failureOf(promise: Promise<unknown>): Promise<CrossroleError> {
  const error = await promise.then(
    (value) => expect.fail(`was not rejected, but gave ${inspect(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof CrossroleError)) return expect.fail(`threw ${inspect(error)}`);
  expect(error.message).not.toMatch(/\n/);
  return error;
}

/** Everything that a log, a crash or a debugger could show of an error. */
export function everythingIn(error: unknown): string {
  return inspect(error, { depth: 10, showHidden: true, getters: true, maxStringLength: null });
}

export function expectNoSecretIn(error: unknown): void {
  expect(everythingIn(error)).not.toContain(CANARY);
}

/** Runs each test without a variable of AWS's, in a home directory of its own; gives its path. */
export function useCleanEnvironment(): () => string {
  let home = "";
  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), "crossrole-"));
    for (const name of Object.keys(process.env)) {
      if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
    }
    vi.stubEnv("HOME", home);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", path.join(home, "credentials"));
    vi.stubEnv("AWS_CONFIG_FILE", path.join(home, "config"));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(home, { recursive: true, force: true });
  });
  return () => home;
}

/** A session's key: what instances, containers and SSO hand out. */
export const SESSION: FakeKey = {
  accessKeyId: "ASIA999999999EXAMPLE",
  secretAccessKey: `${CANARY}/session-secret`,
  sessionToken: `${CANARY}/session-token`,
  arn: "arn:aws:sts::111111111111:assumed-role/base/session",
};

/** When it expires. */
export const NEXT_HOUR = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
