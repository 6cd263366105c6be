import { describe, expect, it } from "vitest";
import { GATEWAY, READER, configOf, fileOf, problemsIn } from "./support.ts";

/** A file with `value` at `path` of its only role. */
function withRole(key: string, value: unknown): object {
  return fileOf({ [key]: value });
}

describe("the ARN of a role", () => {
  it.each([
    ["", "must look like arn:aws:iam::123456789012:role/NAME"],
    ["orders-reader", "must look like arn:aws:iam::123456789012:role/NAME"],
    [
      "arn:aws:sts::222222222222:assumed-role/reader/me",
      "must look like arn:aws:iam::123456789012:role/NAME",
    ],
    ["arn:aws:iam::222222222222:user/ops", "must look like arn:aws:iam::123456789012:role/NAME"],
    [`${READER}\n`, "must look like arn:aws:iam::123456789012:role/NAME"],
    ["arn:aws:iam::22222222222:role/reader", "must have an account id of 12 digits"],
    ["arn:aws:iam::2222222222222:role/reader", "must have an account id of 12 digits"],
    ["arn:aws:iam::22222222222x:role/reader", "must have an account id of 12 digits"],
    [
      "arn:aws:iam::222222222222:role/",
      "must end in a role name of 1 to 64 letters, digits or +=,.@_-",
    ],
    [
      `arn:aws:iam::222222222222:role/${"r".repeat(65)}`,
      "must end in a role name of 1 to 64 letters, digits or +=,.@_-",
    ],
    [
      "arn:aws:iam::222222222222:role/a*b",
      "must end in a role name of 1 to 64 letters, digits or +=,.@_-",
    ],
  ])("is refused when it is %j, with the value and the rule", (arn, rule) => {
    const [problem = "", ...more] = problemsIn(withRole("arn", arn));

    expect(more).toEqual([]);
    expect(problem).toContain(`roles.reader.arn ${rule}, is "`);
  });

  it("is refused in a partition that AWS does not have, with the ones that it has", () => {
    const [problem] = problemsIn(withRole("arn", "arn:aws-mars:iam::222222222222:role/reader"));

    expect(problem).toMatch(
      /^roles\.reader\.arn names no partition of AWS \(aws-cn, aws-us-gov, .*\baws\)/,
    );
    expect(problem).toContain("aws-mars");
  });

  it.each([
    READER,
    "arn:aws:iam::222222222222:role/path/to/reader",
    "arn:aws-cn:iam::222222222222:role/reader",
    "arn:aws-us-gov:iam::222222222222:role/reader",
    "arn:aws-iso-b:iam::222222222222:role/reader",
    "arn:aws-eusc:iam::222222222222:role/a+=,.@_-b",
  ])("may be %s", (arn) => {
    expect(configOf(withRole("arn", arn)).roles.get("reader")?.arn).toBe(arn);
  });

  it("must be given", () => {
    expect(problemsIn({ roles: { reader: {} } })).toEqual(["roles.reader.arn must be given"]);
  });
});

describe("a rule of one value", () => {
  it.each<[string, unknown, string]>([
    ["arn", 5, "arn must be text: put it in quotes, is 5"],
    ["arn", null, "arn must be text, is null"],
    ["base", 5, "base must be text: put it in quotes, is 5"],
    ["via", GATEWAY, `via must be a list, is "${GATEWAY}"`],
    [
      "via",
      ["gateway"],
      'via[0].arn must look like arn:aws:iam::123456789012:role/NAME, is "gateway"',
    ],
    ["via", [5], "via[0] must be a mapping, is 5"],
    ["via", [{}], "via[0].arn must be given"],
    ["externalId", 12, "externalId must be text: put it in quotes"],
    ["externalId", "x", "externalId must have 2 to 1224 characters"],
    ["externalId", "x".repeat(1_225), "externalId must have 2 to 1224 characters"],
    ["externalId", "a b", "externalId must be of letters, digits and +=,.@:/_-"],
    ["sessionName", true, "sessionName must be text: put it in quotes, is true"],
    ["durationSeconds", "3600", 'durationSeconds must be a whole number of seconds, is "3600"'],
    ["durationSeconds", 3600.5, "durationSeconds must be a whole number of seconds, is 3600.5"],
    ["sessionTags", ["team"], "sessionTags must be a mapping, is a list"],
    ["sessionTags", { team: 5 }, "sessionTags.team must be text: put it in quotes, is 5"],
    ["sessionTags", { "": "x" }, "sessionTags. must have a key of 1 to 128 characters"],
    [
      "sessionTags",
      { "aws:team": "x" },
      "sessionTags.aws:team must have a key that does not begin with aws:",
    ],
    [
      "sessionTags",
      { AWS_: "x", "AWS:team": "x" },
      "sessionTags.AWS:team must have a key that does not begin with aws:",
    ],
    ["transitiveTagKeys", "team", 'transitiveTagKeys must be a list, is "team"'],
    [
      "sourceIdentity",
      "a b",
      'sourceIdentity must be 2 to 64 letters, digits or +=,.@_- and not begin with aws:, is "a b"',
    ],
    [
      "sourceIdentity",
      "aws:me",
      'sourceIdentity must be 2 to 64 letters, digits or +=,.@_- and not begin with aws:, is "aws:me"',
    ],
    ["policyArns", ["ReadOnly"], 'policyArns[0] must be the ARN of a policy, is "ReadOnly"'],
    [
      "policyArns",
      Array.from({ length: 11 }, () => "arn:aws:iam::aws:policy/ReadOnlyAccess"),
      "policyArns must be at most 10 policies",
    ],
    ["policy", '{"Statement":[]}', "policy must be a mapping"],
    ["policy", { Version: "2012-10-17" }, "policy.Statement must be given"],
    [
      "policy",
      { Statement: [{ Sid: "x".repeat(2_048) }] },
      "policy must have at most 2048 characters as JSON",
    ],
    ["imdsV1", "yes", 'imdsV1 must be true or false, is "yes"'],
    ["authorizationToken", {}, "authorizationToken must have exactly one of file, environment"],
    [
      "authorizationToken",
      { file: "/token", environment: "TOKEN" },
      "authorizationToken must have exactly one of file, environment",
    ],
    [
      "authorizationToken",
      { environment: "$TOKEN" },
      "authorizationToken.environment must be the name of a variable",
    ],
  ])("is told with path and value: roles.reader.%s, case %$", (key, value, problem) => {
    expect(problemsIn(withRole(key, value))).toEqual([`roles.reader.${problem}`]);
  });

  it.each<[object, string]>([
    [{ region: 5 }, "region must be text: put it in quotes, is 5"],
    [{ region: "Ireland" }, 'region must be a region such as eu-west-1, is "Ireland"'],
    [{ region: "eu-west-1a" }, 'region must be a region such as eu-west-1, is "eu-west-1a"'],
    [{ sts: [] }, "sts must be a mapping, is a list"],
    [
      { sts: { endpoint: "sts.example" } },
      'sts.endpoint must be a http or https URL without a user or a query, is "sts.example"',
    ],
    [
      { sts: { endpoint: "ftp://sts.example" } },
      'sts.endpoint must be a http or https URL without a user or a query, is "ftp://sts.example"',
    ],
    [{ sts: { callsPerSecond: 0 } }, "sts.callsPerSecond must be more than 0, is 0"],
    [{ sts: { callsPerSecond: "9" } }, 'sts.callsPerSecond must be a number, is "9"'],
    [{ sts: { burst: 0 } }, "sts.burst must be at least 1, is 0"],
    [{ sts: { burst: 1.5 } }, "sts.burst must be a whole number, is 1.5"],
    [{ bases: { hub: "hub" } }, "bases.hub must be a mapping"],
    [
      { bases: { hub: {} } },
      "bases.hub must have exactly one of profile, webIdentity, environment, container, instance, process",
    ],
    [
      { bases: { hub: { environment: true, instance: true } } },
      "bases.hub must have exactly one of profile, webIdentity, environment, container, instance, process",
    ],
    [
      { bases: { hub: { environment: false } } },
      "bases.hub.environment must be true, or be left out, is false",
    ],
    [{ bases: { hub: { profile: "" } } }, 'bases.hub.profile must be the name of a profile, is ""'],
    [{ bases: { hub: { process: "" } } }, "bases.hub.process must be a command"],
    [
      { bases: { hub: { webIdentity: { roleArn: GATEWAY } } } },
      "bases.hub.webIdentity.tokenFile must be given",
    ],
    [
      { bases: { h: { environment: true } } },
      "bases.h must be named by 2 to 64 letters, digits or ._-",
    ],
    [{ listeners: {} }, "listeners must be a list, is a mapping"],
    [
      { listeners: [{ address: "127.0.0.1:9911" }] },
      "listeners[0] must have exactly one of role, roles, pods",
    ],
    [
      { listeners: [{ address: "127.0.0.1:9911", role: "reader", hosts: ["a:1"] }] },
      'listeners[0].hosts[0] must be a host name without a port, is "a:1"',
    ],
    [
      { listeners: [{ address: "127.0.0.1:9911", role: "reader", allowUsers: "all" }] },
      'listeners[0].allowUsers must be "any" or a list of users, is "all"',
    ],
    [{ state: { directory: "" } }, 'state.directory must be a directory, is ""'],
    [{ state: "/run/crossrole" }, 'state must be a mapping, is "/run/crossrole"'],
  ])("is told outside of roles too, case %$", (rest, problem) => {
    expect(problemsIn(fileOf({}, rest))).toEqual([problem]);
  });

  it.each(["x", "a b", "a/b", "r".repeat(65), "rôle", ""])(
    "is told of a role that is called %j",
    (name) => {
      expect(problemsIn({ roles: { [name]: { arn: READER } } })).toEqual([
        `roles.${name} must be named by 2 to 64 letters, digits or ._-`,
      ]);
    },
  );

  it("is told of more than 50 tags, and of a tag that is too long", () => {
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`k${index}`, "v"]));

    expect(problemsIn(withRole("sessionTags", many))).toEqual([
      "roles.reader.sessionTags must be at most 50 tags",
    ]);
    expect(problemsIn(withRole("sessionTags", { ["k".repeat(129)]: "v" }))[0]).toContain(
      "must have a key of 1 to 128 characters",
    );
    expect(problemsIn(withRole("sessionTags", { team: "v".repeat(257) }))[0]).toContain(
      "roles.reader.sessionTags.team must have at most 256 characters",
    );
  });

  it("cuts a long value short", () => {
    const [problem = ""] = problemsIn(withRole("arn", "x".repeat(10_000)));

    expect(problem).toContain("xxx…");
    expect(problem.length).toBeLessThan(200);
  });
});

describe("a duration", () => {
  it.each([0, 900, 1_799, -3_600])("of %d s is refused, with the reason", (durationSeconds) => {
    const [problem, ...more] = problemsIn(fileOf({ durationSeconds }));

    expect(more).toEqual([]);
    expect(problem).toMatch(
      /^roles\.reader\.durationSeconds must be 1800 to 43200: .*25 minutes.*SDKs/,
    );
    expect(problem).toContain(`, is ${durationSeconds}`);
  });

  it("of more than 12 hours is refused", () => {
    expect(problemsIn(fileOf({ durationSeconds: 43_201 }))).toEqual([
      "roles.reader.durationSeconds must be 1800 to 43200: AWS ends every role session after 12 hours, is 43201",
    ]);
  });

  it.each([1_800, 3_600, 43_200])("of %d s is kept", (durationSeconds) => {
    const config = configOf(fileOf({ durationSeconds }));

    expect(config.roles.get("reader")?.durationSeconds).toBe(durationSeconds);
    expect(config.notices).toEqual([]);
  });
});

describe("an address", () => {
  it.each([
    ["127.0.0.1:9911", "127.0.0.1", 9911],
    ["169.254.171.254:80", "169.254.171.254", 80],
    ["localhost:9911", "localhost", 9911],
    ["[::1]:9911", "::1", 9911],
    ["[fd00:ec2::254]:80", "fd00:ec2::254", 80],
    ["127.0.0.1:0", "127.0.0.1", 0],
    ["127.0.0.1:65535", "127.0.0.1", 65_535],
  ])("may be %s", (address, host, port) => {
    const { listeners } = configOf(fileOf({}, { listeners: [{ address, role: "reader" }] }));

    expect(listeners).toMatchObject([{ kind: "role", address: { host, port }, role: "reader" }]);
  });

  it.each([
    "",
    "9911",
    ":9911",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:65536",
    "127.0.0.1:99111",
    "127.0.0.1:-1",
    "127.0.0.1:http",
    "127.0.0.1:09911",
    "127.0.0.256:9911",
    "127.1:9911",
    "::1:9911",
    "[127.0.0.1]:9911",
    "[::g]:9911",
    "example.com:9911",
    "http://127.0.0.1:9911",
    "127.0.0.1:9911/",
    " 127.0.0.1:9911",
  ])("is refused when it is %j", (address) => {
    expect(problemsIn(fileOf({}, { listeners: [{ address, role: "reader" }] }))).toEqual([
      "listeners[0].address must be IP:PORT such as 127.0.0.1:9911 or [::1]:9911, with a port up to " +
        `65535, is ${JSON.stringify(address)}`,
    ]);
  });

  it("as a number, which YAML makes of digits with a colon, is named as what it is", () => {
    const file = `roles: { reader: { arn: "${READER}" } }\nlisteners: [{ address: 9911, role: reader }]\n`;

    expect(problemsIn(file)).toEqual([
      "listeners[0].address must be text: put it in quotes, is 9911",
    ]);
  });
});

describe("the template of a session name", () => {
  it.each([
    "orders",
    "orders-{hostname}",
    "{role}@{hostname}",
    "{role}",
    "a+=,.@-_b",
    `${"x".repeat(200)}-{hostname}`,
  ])("may be %j", (sessionName) => {
    expect(configOf(fileOf({ sessionName })).roles.get("reader")?.sessionName).toBe(sessionName);
  });

  it.each([
    "",
    "x",
    "{host}",
    "{}",
    "{{role}}",
    "{role",
    "a b",
    "a/b",
    "{role}:{hostname}",
    "nämé",
  ])("is refused when it is %j, with what it may have", (sessionName) => {
    expect(problemsIn(fileOf({ sessionName }))).toEqual([
      "roles.reader.sessionName must be 2 or more letters, digits, +=,.@_- or one of {hostname} " +
        `{role} {namespace} {serviceAccount} {pod} {node}, is ${JSON.stringify(sessionName)}`,
    ]);
  });
});
