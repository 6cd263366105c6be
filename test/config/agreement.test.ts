import { describe, expect, it } from "vitest";
import { GATEWAY, READER, configOf, fileOf, problemsIn } from "./support.ts";

const at = (address: string) => ({ address, role: "reader" });
const CHINA = "arn:aws-cn:iam::222222222222:role/reader";

describe("partitions", () => {
  it("of a role and of the region must be the same", () => {
    expect(problemsIn({ roles: { reader: { arn: CHINA } }, region: "eu-west-1" })).toEqual([
      "roles.reader.arn is in partition aws-cn, but the region eu-west-1 is in aws",
    ]);
    expect(problemsIn(fileOf({}, { region: "us-gov-west-1" }))).toEqual([
      "roles.reader.arn is in partition aws, but the region us-gov-west-1 is in aws-us-gov",
    ]);
  });

  it("of a role and of the region that a variable says must be the same, too", () => {
    expect(problemsIn(fileOf(), { environment: { AWS_REGION: "cn-north-1" } })).toEqual([
      "roles.reader.arn is in partition aws, but the region cn-north-1 is in aws-cn",
    ]);
  });

  it("of a role and of each of its hops must be the same", () => {
    const via = [GATEWAY, CHINA, { arn: "arn:aws-us-gov:iam::333333333333:role/transit" }];

    expect(problemsIn(fileOf({ via }))).toEqual([
      "roles.reader.via[1] must be in the role's partition aws, is in aws-cn",
      "roles.reader.via[2] must be in the role's partition aws, is in aws-us-gov",
    ]);
  });

  it("may all be China's, whose own region is asked when nobody said one", () => {
    const gateway = "arn:aws-cn:iam::111111111111:role/gateway";
    const config = configOf({ roles: { reader: { arn: CHINA, via: [gateway] } } });

    expect(config.region).toBeUndefined();
    expect(config.roles.get("reader")?.region).toBe("cn-north-1");
  });
});

describe("a name", () => {
  const roles = { "orders-reader": { arn: READER }, invoices: { arn: READER } };

  it("of a role that nobody configured is told with the nearest one", () => {
    const listeners = [{ address: "127.0.0.1:9911", role: "order-reader" }];

    expect(problemsIn({ roles, listeners })).toEqual([
      'listeners[0].role must name a role, is "order-reader" (did you mean "orders-reader"?)',
    ]);
  });

  it("that is near to none is told with all there are", () => {
    const listeners = [{ address: "127.0.0.1:9911", role: "completely-else" }];

    expect(problemsIn({ roles, listeners })).toEqual([
      'listeners[0].role must name a role, is "completely-else"; known are orders-reader, invoices',
    ]);
  });

  it("of a base must be one of the file's, or default", () => {
    const bases = { hub: { environment: true } };

    expect(problemsIn(fileOf({ base: "Hub" }, { bases }))).toEqual([
      'roles.reader.base must name a base, is "Hub" (did you mean "hub"?)',
    ]);
    expect(problemsIn(fileOf({ base: "hub" }))).toEqual([
      'roles.reader.base must name a base, is "hub"; known are none',
    ]);
    expect(configOf(fileOf({ base: "default" })).roles.get("reader")?.base.provider).toEqual({
      kind: "default",
    });
  });

  it("is looked up in lists of roles and in associations as well", () => {
    const listeners = [{ address: "127.0.0.1:9911", roles: ["reader", "readr"] }];
    const associations = [{ namespace: "a", serviceAccount: "b", role: "raeder" }];

    expect(problemsIn(fileOf({}, { listeners, associations }))).toEqual([
      'listeners[0].roles must name a role, is "readr" (did you mean "reader"?)',
      'associations[0].role must name a role, is "raeder" (did you mean "reader"?)',
    ]);
  });
});

describe("listeners", () => {
  it("have an address each, but for free ports", () => {
    const taken = [at("127.0.0.1:9911"), at("127.0.0.1:9912"), at("127.0.0.1:9911")];
    const free = [at("127.0.0.1:0"), at("127.0.0.1:0"), at("127.0.0.2:9911"), at("127.0.0.1:9911")];

    expect(problemsIn(fileOf({}, { listeners: taken }))).toEqual([
      "listeners[2].address must be an address of its own, is that of listeners[0]",
    ]);
    expect(configOf(fileOf({}, { listeners: free })).listeners).toHaveLength(4);
  });

  it("are asked by their further host names in any case of letters", () => {
    const listeners = [{ address: "127.0.0.1:9911", role: "reader", hosts: ["Meta.Internal"] }];

    expect(configOf(fileOf({}, { listeners })).listeners[0]?.hosts).toEqual(["meta.internal"]);
  });

  it.each(["namespace", "serviceAccount", "pod", "node"])(
    "for one role have no {%s} for its session name",
    (placeholder) => {
      const listeners = [{ address: "127.0.0.1:9911", role: "reader" }];
      const sessionName = `orders-{${placeholder}}`;

      expect(problemsIn(fileOf({ sessionName }, { listeners }))).toEqual([
        `roles.reader.sessionName has {${placeholder}}, which only the callers of a pods listener have`,
      ]);
    },
  );
});

it("names a transitive tag key that is no session tag", () => {
  const fields = { sessionTags: { team: "orders" }, transitiveTagKeys: ["team", "Team", "stage"] };

  expect(problemsIn(fileOf(fields))).toEqual([
    'roles.reader.transitiveTagKeys must name keys of sessionTags, has "Team"',
    'roles.reader.transitiveTagKeys must name keys of sessionTags, has "stage"',
  ]);
});

describe("a file of authorization tokens", () => {
  it("belongs to one role: the second would lock the clients of the first out", () => {
    const authorizationToken = { file: "/run/crossrole/token" };
    const arn = "arn:aws:iam::222222222222:role/writer";
    const file = fileOf({ authorizationToken });
    const roles = { ...(file as { roles: object }).roles, writer: { arn, authorizationToken } };

    expect(problemsIn({ ...file, roles })).toEqual([
      "roles.writer.authorizationToken.file must be a file of its own, is that of roles.reader",
    ]);
  });
});
