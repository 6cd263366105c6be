import { describe, expect, it } from "vitest";
import type { RoleSession } from "../../src/credentials/types.ts";
import { explainDenial } from "../../src/sts/explain-denial.ts";
import { READER, baseOf, failureOf, sessionOf, startEdge } from "./support.ts";

/** AWS does not tell a session's role with its path: it is known only from the configuration. */
const GATEWAY = "arn:aws:iam::111111111111:role/platform/gateway";
const behindGateway = { source: sessionOf({ roleArn: GATEWAY }) };

const SESSION_ARN = "arn:aws:sts::111111111111:assumed-role/gateway/node-7";
const OTHER_ACCOUNT = `${GATEWAY} in account 111111111111`;
const TRUST = `the trust policy of ${READER} in account 222222222222`;

function said(reason: string, action = "sts:AssumeRole"): string {
  const why = reason === "" ? "" : ` ${reason}`;
  return `User: ${SESSION_ARN} is not authorized to perform: ${action} on resource: ${READER}${why}`;
}

function explain(
  words: string,
  inputs: Partial<RoleSession> = behindGateway,
  name = "AccessDenied",
) {
  return explainDenial(sessionOf(inputs), { name, said: `${name}: ${words}` });
}

describe("a denial is explained on one line that", () => {
  it.each([
    said("because no identity-based policy allows the sts:AssumeRole action"),
    said("because no resource-based policy allows the sts:AssumeRole action"),
    said("with an explicit deny in a service control policy"),
    said(""),
    said("", "sts:TagSession"),
  ])("holds AWS's own words, and so the principal, the action and the role: %s", (words) => {
    const line = explain(words);
    expect(line).toContain(words);
    expect(line).toContain(`STS refused AssumeRole of ${READER}`);
    expect(line).not.toContain("\n");
  });

  it("points at the principal's account when no identity-based policy allows", () => {
    const line = explain(said("because no identity-based policy allows the sts:AssumeRole action"));
    expect(line).toContain(
      `look at the permission side: a permission policy of ${OTHER_ACCOUNT} must allow sts:AssumeRole on ${READER}`,
    );
    expect(line).not.toContain("trust");
  });

  it("points at the role's account when no resource-based policy allows", () => {
    const line = explain(said("because no resource-based policy allows the sts:AssumeRole action"));
    expect(line).toContain(
      `look at the trust side: ${TRUST} must allow sts:AssumeRole to ${GATEWAY}; no external id`,
    );
    expect(line).not.toContain("permission policy");
  });

  it("speaks of the external id that is sent, and does not tell it", () => {
    const words = said("because no resource-based policy allows the sts:AssumeRole action");
    const line = explain(words, { ...behindGateway, externalId: "CANARY" });
    expect(line).toContain("must ask for just the sts:ExternalId that is configured");
    expect(line).not.toContain("CANARY");
  });

  it("gives both sides when AWS says nothing of why", () => {
    const line = explain(said(""));
    expect(line).toContain("says the same for a role that does not exist");
    expect(line).toContain(`(1) trust: ${TRUST} must allow sts:AssumeRole to ${GATEWAY}`);
    expect(line).toContain(`(2) permission: a permission policy of ${OTHER_ACCOUNT} must allow`);
  });

  it.each([
    ["a service control policy", `service control policies for the account of ${OTHER_ACCOUNT}`],
    ["a resource control policy", "resource control policies for account 222222222222"],
    ["an identity-based policy", `the permission policies of ${OTHER_ACCOUNT}`],
    ["a resource-based policy", TRUST],
    ["a permissions boundary", `the permissions boundary of ${OTHER_ACCOUNT}`],
    ["a session policy", `the session policy that ${OTHER_ACCOUNT} was assumed with`],
    ["a VPC endpoint policy", "the policy of the VPC endpoint that leads to STS"],
    ["some policy of tomorrow", "the policy that AWS names"],
  ])("says where an explicit deny in %s is kept", (policy, where) => {
    const line = explain(said(`with an explicit deny in ${policy}`));
    expect(line).toContain("an explicit deny wins over every allow: look at ");
    expect(line).toContain(where);
  });

  it("says where an explicit deny is kept when AWS adds the policy's ARN", () => {
    const arn = "arn:aws:organizations::999999999999:policy/o-1/service_control_policy/p-1";
    const line = explain(said(`with an explicit deny in a service control policy: ${arn}`));
    expect(line).toContain("kept in the management account of its AWS organization");
  });

  it.each([
    ["service control policy", `the account of ${OTHER_ACCOUNT}`],
    ["permissions boundary", `the permissions boundary of ${OTHER_ACCOUNT}`],
    ["session policy", `the session policy that ${OTHER_ACCOUNT} was assumed with`],
    ["VPC endpoint policy", "the VPC endpoint that leads to STS"],
  ])("says which %s must allow the call", (policy, where) => {
    const line = explain(said(`because no ${policy} allows the sts:AssumeRole action`));
    expect(line).toContain(where);
    expect(line).toContain("must allow sts:AssumeRole");
  });

  it.each(["sts:TagSession", "sts:SetSourceIdentity"])(
    "asks both sides for %s when AWS does not say which",
    (action) => {
      const line = explain(said("", action));
      expect(line).toContain(TRUST);
      expect(line).toContain(`the permission policy of ${OTHER_ACCOUNT}`);
      expect(line).toContain(`must both allow ${action} besides sts:AssumeRole`);
    },
  );

  it.each(["sts:TagSession", "sts:SetSourceIdentity"])(
    "asks one side for %s when AWS says which",
    (action) => {
      const line = explain(
        said(`because no resource-based policy allows the ${action} action`, action),
      );
      expect(line).toContain(`${TRUST} must allow ${action} to ${GATEWAY}`);
      expect(line).not.toContain("external id");
    },
  );

  it("names a user as AWS does", () => {
    const line = explain(said("").replace(SESSION_ARN, "arn:aws:iam::111111111111:user/ops"), {});
    expect(line).toContain(
      "a permission policy of arn:aws:iam::111111111111:user/ops in account 111111111111",
    );
  });

  it("names the role behind a session that is not of a configured hop", () => {
    const line = explain(said(""), {});
    expect(line).toContain("must allow sts:AssumeRole to arn:aws:iam::111111111111:role/gateway;");
  });

  it("names principals of other partitions", () => {
    const line = explain(
      "User: arn:aws-cn:sts::111111111111:assumed-role/gateway/s is not authorized to perform: sts:AssumeRole on resource: arn:aws-cn:iam::222222222222:role/orders-reader",
      { roleArn: "arn:aws-cn:iam::222222222222:role/orders-reader" },
    );
    expect(line).toContain("arn:aws-cn:iam::111111111111:role/gateway in account 111111111111");
  });

  it("names the base when AWS names nobody", () => {
    const line = explain("Access denied", { source: baseOf({ kind: "profile", profile: "hub" }) });
    expect(line).toContain('a permission policy of base "hub" (profile) must allow');
  });

  it.each([
    [
      "ValidationError",
      "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
      `lower durationSeconds (3600) or raise the maximum session duration of ${READER} in account 222222222222`,
    ],
    [
      "ValidationError",
      "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
      "set durationSeconds to 3600",
    ],
    [
      "ValidationError",
      "1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint",
      "mend what AWS names in this role's configuration",
    ],
    [
      "AccessDenied",
      "Roles may not be assumed by root accounts.",
      "sign with an IAM user or a role",
    ],
    ["PackedPolicyTooLargeException", "Packed size of session tags", "policyArns and sessionTags"],
    ["MalformedPolicyDocumentException", "Syntax errors in policy", "mend the session policy"],
    [
      "RegionDisabledException",
      "STS is not activated in this region for account:111111111111.",
      "activate STS in eu-west-1",
    ],
  ])("says what to do after %s: %s", (name, words, advice) => {
    expect(explain(words, behindGateway, name)).toContain(advice);
  });
});

describe("AWS's refusals at a real exchange", () => {
  it("name both sides when the trust policy does not know the caller", async () => {
    await using edge = await startEdge({ trusts: [GATEWAY] });
    const error = await failureOf(edge.assume());
    expect(error.code).toBe("ERR_ROLE_DENIED");
    expect(error.message).toContain(`User: ${edge.key.arn} is not authorized to perform`);
    expect(error.message).toContain(`must allow sts:AssumeRole to ${edge.key.arn}`);
  });

  it("say of a wrong external id that it must be the configured one", async () => {
    await using edge = await startEdge({ externalId: "right" });
    const error = await failureOf(edge.assume({ externalId: "CANARY" }));
    expect(error.message).toContain("just the sts:ExternalId that is configured");
    expect(error.message).not.toContain("CANARY");
  });

  it.each(["sts:TagSession", "sts:SetSourceIdentity"] as const)(
    "say of %s that both sides must allow it",
    async (action) => {
      await using edge = await startEdge({ refuses: [action] });
      const inputs = { sessionTags: { team: "orders" }, sourceIdentity: "orders" };
      const error = await failureOf(edge.assume(inputs));
      expect(error.code).toBe("ERR_ROLE_DENIED");
      expect(error.message).toContain(`must both allow ${action}`);
    },
  );
});
