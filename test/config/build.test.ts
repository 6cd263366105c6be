import { describe, expect, it } from "vitest";
import { GATEWAY, READER, SECRET, configOf, fileOf, refusalOf } from "./support.ts";

describe("a duration of more than an hour", () => {
  const durationSeconds = 7_200;
  const capped =
    "roles.reader.durationSeconds is 7200, but AWS ends a session after 3600 s that was assumed by " +
    "another role: 3600 is asked for";

  it("is kept for a role that is assumed directly", () => {
    const config = configOf(fileOf({ durationSeconds }));

    expect(config.roles.get("reader")?.durationSeconds).toBe(7_200);
    expect(config.notices).toEqual([]);
  });

  it("is capped behind a hop, and said", () => {
    const config = configOf(fileOf({ durationSeconds, via: [GATEWAY] }));

    expect(config.roles.get("reader")?.durationSeconds).toBe(3_600);
    expect(config.notices).toEqual([capped]);
  });

  it.each<[string, object]>([
    ["webIdentity", { webIdentity: { tokenFile: "/token", roleArn: GATEWAY } }],
    ["instance", { instance: true }],
    ["container", { container: true }],
  ])("is capped behind a base that is itself a role's session: %s", (_, hub) => {
    const config = configOf(fileOf({ durationSeconds, base: "hub" }, { bases: { hub } }));

    expect(config.roles.get("reader")?.durationSeconds).toBe(3_600);
    expect(config.notices).toEqual([capped]);
  });

  it.each<[string, object]>([
    ["profile", { profile: "hub" }],
    ["environment", { environment: true }],
    ["process", { process: "cmd" }],
  ])("is kept behind a base that may be a user's: %s", (_, hub) => {
    const config = configOf(fileOf({ durationSeconds, base: "hub" }, { bases: { hub } }));

    expect(config.roles.get("reader")?.durationSeconds).toBe(7_200);
    expect(config.notices).toEqual([]);
  });
});

describe("what a file does not say", () => {
  it("is filled in", () => {
    const config = configOf(fileOf());

    expect(config).toMatchObject({
      region: undefined,
      sts: { endpoint: undefined, callsPerSecond: 10, burst: 20 },
      listeners: [],
      stateDirectory: undefined,
      notices: [],
    });
    expect(config.roles.get("reader")).toMatchObject({
      name: "reader",
      arn: READER,
      base: { kind: "base", name: "default", provider: { kind: "default" }, region: "us-east-1" },
      region: "us-east-1",
      via: [],
      externalId: undefined,
      sessionName: undefined,
      durationSeconds: 3_600,
      sessionTags: {},
      transitiveTagKeys: [],
      sourceIdentity: undefined,
      policyArns: [],
      policy: undefined,
    });
  });
});

describe("what a file says", () => {
  it("is taken over whole", () => {
    const fields = {
      via: [GATEWAY, { arn: "arn:aws:iam::333333333333:role/transit", externalId: "xx" }],
      externalId: "7f2c",
      sessionName: "orders-{hostname}",
      durationSeconds: 1_800,
      sessionTags: { team: "orders" },
      transitiveTagKeys: ["team"],
      sourceIdentity: "orders",
      policyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    };
    const policy = { Version: "2012-10-17", Statement: [{ Effect: "Allow" }] };
    const role = configOf(fileOf({ ...fields, policy }, { region: "eu-west-1" })).roles.get(
      "reader",
    );

    expect(role).toMatchObject({ ...fields, via: [{ arn: GATEWAY }, fields.via[1]] });
    expect(role?.region).toBe("eu-west-1");
    expect(JSON.parse(role?.policy ?? "")).toEqual(policy);
  });

  it.each<[object, object]>([
    [{ profile: "hub" }, { kind: "profile", profile: "hub" }],
    [{ environment: true }, { kind: "environment" }],
    [{ container: true }, { kind: "container" }],
    [{ instance: true }, { kind: "instance" }],
    [{ process: "cmd --x" }, { kind: "process", command: "cmd --x" }],
    [
      { webIdentity: { tokenFile: "/token", roleArn: GATEWAY } },
      {
        kind: "webIdentity",
        tokenFile: "/token",
        roleArn: GATEWAY,
        sessionName: "crossrole-laptop",
        durationSeconds: 3_600,
      },
    ],
  ])("about a base is its provider: %j", (hub, provider) => {
    const config = configOf(fileOf({ base: "hub" }, { bases: { hub }, region: "eu-west-1" }));

    expect(config.roles.get("reader")?.base).toEqual({
      kind: "base",
      name: "hub",
      provider,
      region: "eu-west-1",
    });
  });

  it("may be a base called default, which then stands for the chain of the SDK", () => {
    const config = configOf(fileOf({}, { bases: { default: { environment: true } } }));

    expect(config.roles.get("reader")?.base.provider).toEqual({ kind: "environment" });
  });
});

describe("the region", () => {
  it.each<[object, Record<string, string>, string | undefined]>([
    [{ region: "eu-west-1" }, { AWS_REGION: "eu-west-2" }, "eu-west-1"],
    [{}, { AWS_REGION: "eu-west-2", AWS_DEFAULT_REGION: "eu-west-3" }, "eu-west-2"],
    [{}, { AWS_REGION: "", AWS_DEFAULT_REGION: "eu-west-3" }, "eu-west-3"],
    [{}, {}, undefined],
  ])("is the file's, else a variable's: %j and %j give %s", (rest, environment, region) => {
    const config = configOf(fileOf({}, rest), { environment });

    expect(config.region).toBe(region);
    expect(config.roles.get("reader")?.region).toBe(region ?? "us-east-1");
  });
});

describe("another endpoint of STS", () => {
  const endpoint = "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com";

  it("by the file is taken without a word", () => {
    const environment = { AWS_ENDPOINT_URL_STS: "http://127.0.0.1:1" };
    const config = configOf(fileOf({}, { sts: { endpoint } }), { environment });

    expect(config.sts.endpoint).toBe(endpoint);
    expect(config.notices).toEqual([]);
  });

  it.each(["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"])("by %s is taken and said", (variable) => {
    const config = configOf(fileOf(), { environment: { [variable]: endpoint } });

    expect(config.sts.endpoint).toBe(endpoint);
    expect(config.notices).toEqual([`STS is asked at ${endpoint}, because ${variable} says so`]);
  });

  it("by the service's own variable wins over the general one", () => {
    const environment = { AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_ENDPOINT_URL_STS: endpoint };

    expect(configOf(fileOf(), { environment }).sts.endpoint).toBe(endpoint);
  });

  it("by a variable is not taken when AWS's variables for endpoints are to be ignored", () => {
    const environment = {
      AWS_ENDPOINT_URL_STS: endpoint,
      AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true",
    };
    const config = configOf(fileOf(), { environment });

    expect(config.sts.endpoint).toBeUndefined();
    expect(config.notices).toEqual([]);
  });

  it.each([`https://me:${SECRET}@sts.example`, `https://sts.example/?t=${SECRET}`, SECRET])(
    "by a variable is refused when it is no endpoint, and not repeated: %s",
    (value) => {
      const environment = { AWS_ENDPOINT_URL_STS: value };
      const { message } = refusalOf(() => configOf(fileOf(), { environment }));

      expect(message).toBe(
        "environment: AWS_ENDPOINT_URL_STS must be a http or https URL without a user or a query",
      );
    },
  );
});

describe("a listener", () => {
  const one = { address: "127.0.0.1:9911", role: "reader" };
  const several = { address: "127.0.0.1:9911", roles: ["reader"] };

  it("is for one role or for several, and for crossrole's own user unless it says otherwise", () => {
    const { listeners } = configOf(
      fileOf({}, { listeners: [one, { ...several, address: "127.0.0.1:0" }] }),
    );

    expect(listeners).toMatchObject([
      { kind: "role", role: "reader", allowUsers: [] },
      { kind: "roles", roles: ["reader"], allowUsers: [] },
    ]);
  });

  it.each(["any", [0, "ops"], []])("may be for other users: %j", (allowUsers) => {
    const { listeners } = configOf(fileOf({}, { listeners: [{ ...one, allowUsers }] }));

    expect(listeners).toMatchObject([{ allowUsers }]);
  });
});

function tokenOf(file: object, environment = {}) {
  return configOf(file, { environment }).roles.get("reader")?.authorizationToken;
}

describe("an authorization token", () => {
  const fromVariable = fileOf({ authorizationToken: { environment: "TOKEN" } });

  it("is kept in a file, taken from a variable, or there is none", () => {
    expect(tokenOf(fileOf())).toBeUndefined();
    expect(tokenOf(fileOf({ authorizationToken: { file: "/run/token" } }))).toEqual({
      kind: "file",
      path: "/run/token",
    });
    expect(tokenOf(fromVariable, { TOKEN: `${SECRET}-0123456789` })).toEqual({
      kind: "value",
      value: `${SECRET}-0123456789`,
    });
  });

  it.each([undefined, "", SECRET, `${SECRET} with blanks in it`])(
    "is refused when its variable holds none, and not repeated, case %$",
    (TOKEN) => {
      const { message } = refusalOf(() => configOf(fromVariable, { environment: { TOKEN } }));

      expect(message).toContain(
        "roles.reader.authorizationToken.environment names the variable TOKEN",
      );
      expect(message).not.toContain(SECRET);
    },
  );
});
