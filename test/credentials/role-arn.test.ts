import { describe, expect, it } from "vitest";
import { checkedRoleArn, parseRoleArn, partitionOfRegion } from "../../src/credentials/role-arn.ts";

const PARTITIONS = [
  ["aws", "eu-west-1", "amazonaws.com"],
  ["aws-cn", "cn-northwest-1", "amazonaws.com.cn"],
  ["aws-us-gov", "us-gov-east-1", "amazonaws.com"],
  ["aws-iso", "us-iso-west-1", "c2s.ic.gov"],
  ["aws-iso-b", "us-isob-east-1", "sc2s.sgov.gov"],
  ["aws-iso-e", "eu-isoe-west-1", "cloud.adc-e.uk"],
  ["aws-iso-f", "us-isof-east-1", "csp.hci.ic.gov"],
  ["aws-eusc", "eusc-de-east-1", "amazonaws.eu"],
] as const;

describe("the ARN of a role", () => {
  it("says partition, account and name", () => {
    expect(parseRoleArn("arn:aws:iam::222222222222:role/orders-reader")).toMatchObject({
      partition: { name: "aws" },
      accountId: "222222222222",
      roleName: "orders-reader",
    });
  });

  it("has a name without its path", () => {
    const arn = checkedRoleArn("arn:aws:iam::222222222222:role/a/b/c/orders+=,.@_-reader");
    expect(arn.roleName).toBe("orders+=,.@_-reader");
  });

  it.each(PARTITIONS)("may be of partition %s", (name, region, dnsSuffix) => {
    const { partition } = checkedRoleArn(`arn:${name}:iam::222222222222:role/reader`);
    expect(partition).toMatchObject({ name, dnsSuffix });
    expect(partitionOfRegion(partition.defaultRegion)).toBe(partition);
    expect(partitionOfRegion(region)).toBe(partition);
  });

  it.each([
    ["", "must look like arn:aws:iam::123456789012:role/NAME"],
    ["reader", "must look like"],
    ["arn:aws:iam::222222222222:user/reader", "must look like"],
    ["arn:aws:sts::222222222222:assumed-role/reader/x", "must look like"],
    ["arn:aws:iam:eu-west-1:222222222222:role/reader", "must look like"],
    [" arn:aws:iam::222222222222:role/reader", "must look like"],
    ["arn:aws:iam::222222222222:role/reader\n", "must look like"],
    ["arn:aws:iam::222222222222:role/my reader", "must look like"],
    ["arn:awz:iam::222222222222:role/reader", "names no partition of AWS (aws-cn, "],
    ["arn:aws:iam::22222222222:role/reader", "12 digits"],
    ["arn:aws:iam::2222-2222-2222:role/reader", "12 digits"],
    ["arn:aws:iam::my-account00:role/reader", "12 digits"],
    ["arn:aws:iam:::role/reader", "12 digits"],
    ["arn:aws:iam::222222222222:role/", "role name"],
    ["arn:aws:iam::222222222222:role/reader/", "role name"],
    ["arn:aws:iam::222222222222:role/*", "role name"],
    [`arn:aws:iam::222222222222:role/${"r".repeat(65)}`, "role name"],
    [`arn:aws:iam::222222222222:role/${"p".repeat(511)}/reader`, "at most 512"],
  ])("is not %j, and the rule is said", (text, rule) => {
    expect(parseRoleArn(text)).toContain(rule);
    expect(() => checkedRoleArn(text)).toThrow(TypeError);
  });

  it.each(["", "europe", "1", "EU-WEST-1"])("has no partition for the region %j", (region) => {
    expect(partitionOfRegion(region)).toBeUndefined();
  });
});
