import { describe, expect, it } from "vitest";
import { READER, SECRET, configOf, fileOf, problemsIn, refusalOf } from "./support.ts";

const CHINA = "arn:aws-cn:iam::222222222222:role/reader";

describe("a file with many problems", () => {
  const file = {
    reigon: "eu-west-1",
    region: "us-east-1",
    sts: { burst: 0 },
    bases: { hub: { profile: "hub", process: SECRET }, spoke: { profil: "x" } },
    roles: {
      reader: {
        arn: "reader",
        base: "hubb",
        durationSeconds: 60,
        externalId: 7,
        sessionTags: { team: "orders" },
        transitiveTagKeys: ["team", "stage"],
      },
      china: { arn: CHINA, via: [READER, 5] },
      writer: "arn",
      x: { arn: READER },
    },
    listeners: [
      { address: "127.0.0.1:9911", role: "readr" },
      { address: "127.0.0.1:9911", role: "reader" },
      { adress: "127.0.0.1:9912", role: "reader" },
    ],
  };
  const expected = [
    'reigon is not a known key (did you mean "region"?)',
    "sts.burst must be at least 1, is 0",
    "bases.hub must have exactly one of profile, webIdentity, environment, container, instance, process",
    'bases.spoke.profil is not a known key (did you mean "profile"?)',
    "bases.spoke must have exactly one of profile, webIdentity, environment, container, instance, process",
    'roles.reader.arn must look like arn:aws:iam::123456789012:role/NAME, is "reader"',
    'roles.reader.base must name a base, is "hubb" (did you mean "hub"?)',
    "roles.reader.durationSeconds must be 1800 to 43200: an answer with less than 25 minutes of life " +
      "makes SDKs rewrite its expiry or ask again at every request, and a shorter session cannot keep " +
      "that distance, is 60",
    "roles.reader.externalId must be text: put it in quotes",
    'roles.reader.transitiveTagKeys must name keys of sessionTags, has "stage"',
    "roles.china.arn is in partition aws-cn, but the region us-east-1 is in aws",
    "roles.china.via[0] must be in the role's partition aws-cn, is in aws",
    "roles.china.via[1] must be a mapping, is 5",
    'roles.writer must be a mapping, is "arn"',
    "roles.x must be named by 2 to 64 letters, digits or ._-",
    'listeners[0].role must name a role, is "readr" (did you mean "reader"?)',
    "listeners[1].address must be an address of its own, is that of listeners[0]",
    'listeners[2].adress is not a known key (did you mean "address"?)',
    "listeners[2].address must be given",
  ];

  it("reports every one of them at once, each once", () => {
    expect(problemsIn(file).toSorted()).toEqual(expected.toSorted());
  });

  it("is named, with the number of its problems, by a configuration error", () => {
    const error = refusalOf(() => configOf(file));

    expect(error.code).toBe("ERR_CONFIG_INVALID");
    expect(error.message).toMatch(/^crossrole\.yaml has 19 problems:\n {2}\S/);
  });
});

it("says a single problem on one line, behind the name of the file", () => {
  const error = refusalOf(() => configOf(fileOf({ durationSeconds: 43_201 })));

  expect(error.message).toMatch(/^crossrole\.yaml: roles\.reader\.durationSeconds must be .*$/);
});

describe("an external id of the first hop, which pods assume with their token", () => {
  const via = [{ arn: READER, externalId: "7f2c" }];
  const fileWith = (kind: string, more: object) =>
    fileOf(
      {},
      {
        bases: { hub: { instance: true } },
        listeners: [{ address: "127.0.0.1:0", pods: true }],
        kubernetes: { annotations: { [kind]: { ...more, via } } },
      },
    );

  it.each([
    ["crossrole", { roles: ["*"] }],
    ["irsa", { roles: ["*"] }],
    ["kube2iam", {}],
    ["kiam", {}],
  ])("is refused for %s, unless a base is named", (kind, more) => {
    expect(problemsIn(fileWith(kind, more))).toEqual([
      expect.stringMatching(
        `^kubernetes\\.annotations\\.${kind}\\.via\\[0\\]\\.externalId must be left out: pods assume`,
      ),
    ]);
    expect(configOf(fileWith(kind, { ...more, base: "hub" })).kubernetes).toBeDefined();
  });
});

describe("an unknown key", () => {
  it.each<[object, string]>([
    [fileOf({}, { lisetners: [] }), 'lisetners is not a known key (did you mean "listeners"?)'],
    [fileOf({}, { Region: "x" }), 'Region is not a known key (did you mean "region"?)'],
    [
      fileOf({}, { sts: { endpont: "x" } }),
      'sts.endpont is not a known key (did you mean "endpoint"?)',
    ],
    [
      fileOf({}, { bases: { hub: { environment: true, porfile: "x" } } }),
      'bases.hub.porfile is not a known key (did you mean "profile"?)',
    ],
    [
      fileOf(
        {},
        { bases: { hub: { webIdentity: { tokenFile: "t", roleArn: READER, rolearn: READER } } } },
      ),
      'bases.hub.webIdentity.rolearn is not a known key (did you mean "roleArn"?)',
    ],
    [
      fileOf({ durationSecond: 3_600 }),
      'roles.reader.durationSecond is not a known key (did you mean "durationSeconds"?)',
    ],
    [
      fileOf({ external_id: SECRET }),
      'roles.reader.external_id is not a known key (did you mean "externalId"?)',
    ],
    [
      fileOf({ via: [{ arn: READER, externalID: SECRET }] }),
      'roles.reader.via[0].externalID is not a known key (did you mean "externalId"?)',
    ],
    [
      fileOf({}, { listeners: [{ address: "127.0.0.1:1", role: "reader", host: [] }] }),
      'listeners[0].host is not a known key (did you mean "hosts"?)',
    ],
    [
      fileOf({}, { state: { directory: "/run/crossrole", ttl: 1 } }),
      "state.ttl is not a known key; known are directory",
    ],
    [
      fileOf({ zzzzzzzzzz: 1 }),
      "roles.reader.zzzzzzzzzz is not a known key; known are arn, base, via, externalId, sessionName, " +
        "durationSeconds, sessionTags, transitiveTagKeys, sourceIdentity, policyArns, policy, imdsV1, " +
        "authorizationToken",
    ],
  ])("is named with the nearest known one, case %$", (file, problem) => {
    expect(problemsIn(file)).toEqual([problem]);
  });

  it("cannot break the line it is told on", () => {
    const { message } = refusalOf(() => configOf(fileOf({ "a\nroles.b is fine\u001B[2J": 1 })));

    // oxlint-disable-next-line no-control-regex -- that there is none is the point
    expect(message).not.toMatch(/[\u0000-\u001F]/);
  });
});

describe("a secret", () => {
  it.each<[string, object]>([
    ["an external id of the wrong kind", fileOf({ externalId: [SECRET] })],
    ["an external id with a blank", fileOf({ externalId: `${SECRET} x` })],
    ["an external id that is too long", fileOf({ externalId: SECRET.repeat(200) })],
    ["a hop's external id", fileOf({ via: [{ arn: READER, externalId: `${SECRET} x` }] })],
    ["a hop in a list of lists", fileOf({ via: [[{ externalId: SECRET }]] })],
    ["a hop in a mapping", fileOf({ via: { externalId: SECRET } })],
    ["a command of a base", fileOf({}, { bases: { hub: { process: [SECRET] } } })],
    [
      "a command beside another kind of base",
      fileOf({}, { bases: { hub: { process: SECRET, profile: "x" } } }),
    ],
    ["a policy as text", fileOf({ policy: SECRET })],
    ["a policy without statements", fileOf({ policy: { Sid: SECRET } })],
    ["a role in a list", { roles: [{ externalId: SECRET }] }],
    ["a password in an endpoint", fileOf({}, { sts: { endpoint: `https://me:${SECRET}@sts` } })],
    ["a token in an endpoint", fileOf({}, { sts: { endpoint: `https://sts/?token=${SECRET}` } })],
    ["a token in the place of its source", fileOf({ authorizationToken: SECRET })],
    [
      "a token in the place of its variable",
      fileOf({ authorizationToken: { environment: SECRET } }),
    ],
    ["the value of an unknown key", fileOf({ secret: SECRET })],
  ])("is not repeated: %s", (_, file) => {
    expect(refusalOf(() => configOf(file)).message).not.toContain(SECRET);
  });

  it.each([
    `roles:\n  reader: { externalId: "${SECRET}\n`,
    `roles:\n  reader:\n    externalId: ${SECRET}\n   arn: x\n`,
    `roles:\n  reader: { externalId: ${SECRET}, externalId: ${SECRET} }\n`,
    `roles: [${SECRET}: ${SECRET}: ]]`,
    `roles: !secret ${SECRET}`,
  ])("is not quoted from a line that is no YAML: %j", (text) => {
    expect(refusalOf(() => configOf(text)).message).not.toContain(SECRET);
  });
});
