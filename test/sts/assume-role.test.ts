import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import type { BaseProvider } from "../../src/credentials/types.ts";
import { assumeRoleWith } from "../../src/sts/assume-role.ts";
import { assumeWithWebIdentity } from "../../src/sts/web-identity.ts";
import {
  GATEWAY,
  READER,
  baseOf,
  failureOf,
  patience,
  sessionOf,
  signerOf,
  startEdge,
  useCleanEnvironment,
} from "./support.ts";

const home = useCleanEnvironment();

describe("AssumeRole", () => {
  it("sends every input of the session, and nothing else", async () => {
    await using edge = await startEdge({ externalId: "7f2c", maxSessionSeconds: 43_200 });
    await edge.assume({
      sessionName: "orders-node-7",
      durationSeconds: 7_200,
      externalId: "7f2c",
      sessionTags: { team: "orders", stage: "prod" },
      transitiveTagKeys: ["team"],
      sourceIdentity: "orders",
      policyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
      policy: '{"Version":"2012-10-17","Statement":[]}',
    });
    expect(edge.sts.calls[0]?.parameters).toEqual({
      RoleArn: READER,
      RoleSessionName: "orders-node-7",
      DurationSeconds: "7200",
      ExternalId: "7f2c",
      "Tags.member.1.Key": "team",
      "Tags.member.1.Value": "orders",
      "Tags.member.2.Key": "stage",
      "Tags.member.2.Value": "prod",
      "TransitiveTagKeys.member.1": "team",
      SourceIdentity: "orders",
      "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
      Policy: '{"Version":"2012-10-17","Statement":[]}',
    });
  });

  it("sends no parameter for an input that is not set", async () => {
    await using edge = await startEdge();
    await edge.assume();
    expect(edge.sts.calls[0]?.parameters).toEqual({
      RoleArn: READER,
      RoleSessionName: "orders-laptop",
      DurationSeconds: "3600",
    });
  });

  it("sends values that need escaping as they are", async () => {
    await using edge = await startEdge();
    const text = "a+b c&d=é/ü%20";
    await edge.assume({ externalId: text, sessionTags: { [text]: text } });
    expect(edge.sts.calls[0]?.parameters).toMatchObject({
      ExternalId: text,
      "Tags.member.1.Key": text,
      "Tags.member.1.Value": text,
    });
  });

  it("hands out what STS issued, and signs with the key of the signer in the session's region", async () => {
    await using edge = await startEdge();
    const credentials = await edge.assume({ region: "ap-southeast-2" });
    const [issued] = edge.sts.issued;
    expect(credentials.accessKeyId).toBe(issued?.accessKeyId);
    expect(credentials.secretAccessKey).toBe(issued?.secretAccessKey);
    expect(credentials.sessionToken).toBe(issued?.sessionToken);
    expect(edge.sts.calls[0]).toMatchObject({
      accessKeyId: edge.key.accessKeyId,
      region: "ap-southeast-2",
    });
  });

  it("hands out an expiration one duration ahead and an issue date in the past", async () => {
    await using edge = await startEdge();
    const before = Date.now();
    const { expiration, issuedAt } = await edge.assume();
    const after = Date.now();
    expect(expiration.getTime()).toBeGreaterThan(before + 3_599_000);
    expect(expiration.getTime()).toBeLessThanOrEqual(after + 3_600_000);
    expect(issuedAt.getTime()).toBeGreaterThanOrEqual(before);
    expect(issuedAt.getTime()).toBeLessThanOrEqual(after);
  });

  it("assumes a role by a role, signed with the session of the hop before", async () => {
    await using edge = await startEdge({ trusts: [GATEWAY] });
    edge.sts.addRole({ arn: GATEWAY });
    const hop = await edge.assume({ roleArn: GATEWAY });
    const credentials = await edge.assume({ source: sessionOf({ roleArn: GATEWAY }) }, hop);
    expect(edge.sts.calls[1]?.accessKeyId).toBe(hop.accessKeyId);
    expect(credentials.accessKeyId).toBe(edge.sts.calls[1]?.issued);
  });
});

describe("the duration that is asked for", () => {
  const twelveHours = { durationSeconds: 43_200 };

  it("is the configured one when a user's key signs", async () => {
    await using edge = await startEdge({ maxSessionSeconds: 43_200 });
    await edge.assume(twelveHours);
    expect(edge.sts.calls[0]?.parameters["DurationSeconds"]).toBe("43200");
  });

  it("is capped at one hour when the signer is a session of a role", async () => {
    await using edge = await startEdge({ maxSessionSeconds: 43_200 });
    const signer = edge.sts.addKey({
      accessKeyId: "ASIAINSTANCEEXAMPLE",
      sessionToken: "token",
      arn: "arn:aws:sts::111111111111:assumed-role/instance/i-0",
    });
    await edge.assume(twelveHours, signerOf(signer));
    expect(edge.sts.calls[0]?.parameters["DurationSeconds"]).toBe("3600");
  });

  it("is capped at one hour behind a hop", async () => {
    await using edge = await startEdge({ maxSessionSeconds: 43_200 });
    await edge.assume({ ...twelveHours, source: sessionOf({ roleArn: GATEWAY }) });
    expect(edge.sts.calls[0]?.parameters["DurationSeconds"]).toBe("3600");
  });

  it("is never raised to the cap", async () => {
    await using edge = await startEdge();
    await edge.assume({ durationSeconds: 1_800, source: sessionOf({ roleArn: GATEWAY }) });
    expect(edge.sts.calls[0]?.parameters["DurationSeconds"]).toBe("1800");
  });

  it("is refused with advice when the role allows less", async () => {
    await using edge = await startEdge({ maxSessionSeconds: 3_600 });
    const error = await failureOf(edge.assume({ durationSeconds: 7_200 }));
    expect(error.code).toBe("ERR_ROLE_DENIED");
    expect(error.message).toContain("lower durationSeconds (7200) or raise the maximum session");
    expect(error.message).toContain(`${READER} in account 222222222222`);
  });
});

describe("AssumeRoleWithWebIdentity", () => {
  type WebIdentity = Extract<BaseProvider, { kind: "webIdentity" }>;

  async function startIrsa(accepted: readonly string[]) {
    const edge = await startEdge();
    edge.sts.addRole({ arn: GATEWAY, webIdentity: (token) => accepted.includes(token) });
    const provider: WebIdentity = {
      kind: "webIdentity",
      tokenFile: path.join(home(), "token"),
      roleArn: GATEWAY,
      sessionName: "node-7",
      durationSeconds: 3_600,
    };
    const load = assumeWithWebIdentity(edge.callSts);
    return {
      sts: edge.sts,
      provider,
      assumeRole: assumeRoleWith(edge.callSts),
      load: () => load(baseOf(provider), provider, patience()),
      [Symbol.asyncDispose]: () => edge.sts.close(),
    };
  }

  it("sends role, session name, duration and the token of the file, unsigned", async () => {
    await using irsa = await startIrsa(["jwt"]);
    await writeFile(irsa.provider.tokenFile, "jwt\n");
    await irsa.load();
    expect(irsa.sts.calls).toMatchObject([
      {
        action: "AssumeRoleWithWebIdentity",
        accessKeyId: undefined,
        parameters: {
          RoleArn: GATEWAY,
          RoleSessionName: "node-7",
          DurationSeconds: "3600",
          WebIdentityToken: "jwt",
        },
      },
    ]);
  });

  it("yields credentials that can sign an AssumeRole", async () => {
    await using irsa = await startIrsa(["jwt"]);
    await writeFile(irsa.provider.tokenFile, "jwt");
    const signer = await irsa.load();
    await irsa.assumeRole(sessionOf({ source: baseOf(irsa.provider) }), signer, patience());
    expect(irsa.sts.calls[1]?.accessKeyId).toBe(signer.accessKeyId);
  });

  it("reads the token anew at each use", async () => {
    await using irsa = await startIrsa(["first", "second"]);
    await writeFile(irsa.provider.tokenFile, "first");
    await irsa.load();
    await writeFile(irsa.provider.tokenFile, "second");
    await irsa.load();
    const tokens = irsa.sts.calls.map(({ parameters }) => parameters["WebIdentityToken"]);
    expect(tokens).toEqual(["first", "second"]);
  });

  it("names the base and the token file when it is missing, and asks STS nothing", async () => {
    await using irsa = await startIrsa([]);
    const error = await failureOf(irsa.load());
    expect(error.code).toBe("ERR_BASE_UNAVAILABLE");
    expect(error.message).toContain('base "hub"');
    expect(error.message).toContain(irsa.provider.tokenFile);
    expect(error.message).toContain("ENOENT");
    expect(irsa.sts.calls).toEqual([]);
  });

  it("names the token file when it is empty", async () => {
    await using irsa = await startIrsa([]);
    await writeFile(irsa.provider.tokenFile, "\n");
    const error = await failureOf(irsa.load());
    expect(error.code).toBe("ERR_BASE_UNAVAILABLE");
    expect(error.message).toContain(
      `the web identity token file ${irsa.provider.tokenFile} is empty`,
    );
  });

  it("names the token file when it is a directory", async () => {
    await using irsa = await startIrsa([]);
    await mkdir(irsa.provider.tokenFile);
    const error = await failureOf(irsa.load());
    expect(error.message).toContain(irsa.provider.tokenFile);
    expect(error.message).toContain("EISDIR");
  });

  it("works again as soon as a file that was missing is there", async () => {
    await using irsa = await startIrsa(["jwt"]);
    await rm(irsa.provider.tokenFile, { force: true });
    await failureOf(irsa.load());
    await writeFile(irsa.provider.tokenFile, "jwt");
    expect((await irsa.load()).accessKeyId).toBe(irsa.sts.issued[0]?.accessKeyId);
  });

  it.each([
    ["AccessDenied", 403, "ERR_ROLE_DENIED"],
    ["InvalidIdentityToken", 400, "ERR_ROLE_DENIED"],
    ["IDPRejectedClaim", 403, "ERR_ROLE_DENIED"],
    ["ExpiredTokenException", 400, "ERR_BASE_EXPIRED"],
  ])("points at token, trust policy and OIDC provider after %s", async (code, status, ours) => {
    await using irsa = await startIrsa(["jwt"]);
    await writeFile(irsa.provider.tokenFile, "jwt");
    irsa.sts.fault({ kind: "error", status, code, message: "no" });
    const error = await failureOf(irsa.load());
    expect(error.code).toBe(ours);
    expect(error.message).toContain(`AssumeRoleWithWebIdentity of ${GATEWAY} for base "hub"`);
    expect(error.message).toContain(irsa.provider.tokenFile);
    expect(error.message).toMatch(/trust policy.*sub and aud.*OIDC provider/);
  });

  it("cuts the token out of an answer that quotes it", async () => {
    await using irsa = await startIrsa([]);
    await writeFile(irsa.provider.tokenFile, "CANARY.jwt");
    const message =
      "1 validation error detected: Value 'CANARY.jwt' at 'webIdentityToken' failed to satisfy constraint";
    irsa.sts.fault({ kind: "error", status: 400, code: "ValidationError", message });
    const error = await failureOf(irsa.load());
    expect(error.message).toContain("Value '…' at 'webIdentityToken'");
    expect(String(error.cause)).not.toContain("CANARY");
  });

  it("asks once, and not again by itself, when STS is not available", async () => {
    await using irsa = await startIrsa(["jwt"]);
    await writeFile(irsa.provider.tokenFile, "jwt");
    irsa.sts.fault({ kind: "unavailable" });
    expect((await failureOf(irsa.load())).code).toBe("ERR_STS_UNAVAILABLE");
    expect(irsa.sts.calls).toHaveLength(1);
  });
});
