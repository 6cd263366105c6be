import { describe, expect, it } from "vitest";
import { denialOf } from "../../src/explain/denial.ts";
import { READER, sessionOf } from "../sts/support.ts";

const GATEWAY = "arn:aws:iam::111111111111:role/platform/gateway";
const behindGateway = sessionOf({ source: sessionOf({ roleArn: GATEWAY }) });
const SESSION = "arn:aws:sts::111111111111:assumed-role/gateway/node-7";

function words(reason: string, name = "AccessDenied") {
  const message = `User: ${SESSION} is not authorized to perform: sts:AssumeRole on resource: ${READER} ${reason}`;
  return { name, message };
}

describe("a denial", () => {
  it.each([
    ["", "either", ["trust", "permission"]],
    ["because no resource-based policy allows the sts:AssumeRole action", "trust", ["trust"]],
    [
      "because no identity-based policy allows the sts:AssumeRole action",
      "permission",
      ["permission"],
    ],
    ["with an explicit deny in an identity-based policy", "deny", []],
    ["because no service control policy allows the sts:AssumeRole action", "other", []],
    ["because no session policy allows the sts:AssumeRole action", "other", []],
    ["because no VPC endpoint policy allows the sts:AssumeRole action", "other", []],
    ["because no permissions boundary allows the sts:AssumeRole action", "other", []],
  ])("%j is by %s", (reason, side, statements) => {
    const denial = denialOf(behindGateway, words(reason), undefined);

    expect(denial.refusedBy).toBe(side);
    expect(denial.statements.map((missing) => missing.side)).toEqual(statements);
  });

  it("names the hop before with the path that AWS leaves out", () => {
    const { principal, statements } = denialOf(behindGateway, words(""), undefined);

    expect(principal).toBe(GATEWAY);
    expect(statements[0]?.statement.Principal).toEqual({ AWS: GATEWAY });
    expect(statements[1]?.attachTo).toBe(GATEWAY);
  });

  it("names who is known to sign where AWS names nobody", () => {
    const silent = { name: "AccessDenied", message: "Access denied" };
    const user = "arn:aws:iam::111111111111:user/ops";

    expect(denialOf(sessionOf(), silent, user).principal).toBe(user);
    expect(denialOf(sessionOf(), silent, undefined)).toEqual({
      principal: undefined,
      refusedBy: "either",
      statements: [],
    });
  });

  it.each([
    ["ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration"],
    ["PackedPolicyTooLarge", "Packed policy consumes 120% of allotted space"],
    ["AccessDenied", "Roles may not be assumed by root accounts."],
  ])("%s: %s is no matter of either policy", (name, message) => {
    expect(denialOf(sessionOf(), { name, message }, undefined)).toMatchObject({
      refusedBy: "other",
      statements: [],
    });
  });
});
