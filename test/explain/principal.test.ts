import { describe, expect, it } from "vitest";
import { principalOf } from "../../src/explain/principal.ts";

describe("a principal is read from", () => {
  it.each([
    ["arn:aws:iam::111111111111:root", "root", "root"],
    ["arn:aws:iam::111111111111:user/team/ops", "user", "ops"],
    ["arn:aws-cn:iam::111111111111:role/a/b/hub", "role", "hub"],
    ["arn:aws:sts::111111111111:federated-user/me", "federated", "me"],
  ])("%s as it stands", (arn, kind, name) => {
    expect(principalOf(arn)).toMatchObject({ arn, kind, name, accountId: "111111111111" });
  });

  it("a session, as the role that policies name", () => {
    expect(principalOf("arn:aws-us-gov:sts::111111111111:assumed-role/hub/laptop")).toEqual({
      arn: "arn:aws-us-gov:iam::111111111111:role/hub",
      kind: "role",
      partition: "aws-us-gov",
      accountId: "111111111111",
      name: "hub",
    });
  });

  it.each([
    "",
    "hub",
    "arn:aws:iam::1:role/hub",
    "arn:aws:iam::111111111111:role/",
    "arn:aws:iam::111111111111:policy/x",
    "arn:aws:sts::111111111111:assumed-role",
    "arn:aws:iam::111111111111:role/a b",
    "arn:aws:iam::111111111111:role/a\n",
  ])("nothing else: %j", (arn) => {
    expect(principalOf(arn)).toBeUndefined();
  });
});
