import { describe, expect, it } from "vitest";
import { findOrigin, loadConfig } from "../../src/config/load.ts";
import type { Environment, Settings } from "../../src/config/settings.ts";
import { GATEWAY, READER, SECRET, configOf, fileOf, problemsIn, rejectionOf } from "./support.ts";

const TRANSIT = "arn:aws:iam::333333333333:role/transit";

function options(flags: Settings, environment: Environment = {}) {
  return { flags, environment, hostname: "laptop" };
}

async function loaded(flags: Settings, environment: Environment = {}) {
  const origin = await findOrigin(options(flags, environment));
  return await loadConfig(origin, options(flags, environment));
}

describe("where a configuration comes from", () => {
  it.each<[string, Settings, Environment, object]>([
    ["a flag for a file", { config: "a.yaml" }, {}, { kind: "file", path: "a.yaml" }],
    ["a variable for a file", {}, { CROSSROLE_CONFIG: "a.yaml" }, { kind: "file", path: "a.yaml" }],
    ["a flag for a role", { roleArn: READER }, {}, { kind: "settings" }],
    ["a variable for a role", {}, { CROSSROLE_ROLE_ARN: READER }, { kind: "settings" }],
    [
      "a flag for a file before a variable for a role",
      { config: "a.yaml" },
      { CROSSROLE_ROLE_ARN: READER },
      { kind: "file", path: "a.yaml" },
    ],
    [
      "a flag for a role before a variable for a file",
      { roleArn: READER },
      { CROSSROLE_CONFIG: "a.yaml" },
      { kind: "settings" },
    ],
    [
      "a flag for a file before a variable for another",
      { config: "a.yaml" },
      { CROSSROLE_CONFIG: "b.yaml" },
      { kind: "file", path: "a.yaml" },
    ],
  ])("is %s", async (_, flags, environment, origin) => {
    expect(await findOrigin(options(flags, environment))).toMatchObject(origin);
  });

  it.each<[string, Settings, Environment, string]>([
    [
      "a file and a role by flags",
      { config: "a.yaml", roleArn: READER },
      {},
      "--role-arn describes one role without a file: leave out either it or --config",
    ],
    [
      "a file and a part of a role by flags",
      { config: "a.yaml", externalId: SECRET },
      {},
      "--external-id describes one role without a file: leave out either it or --config",
    ],
    [
      "a file and a role by variables",
      {},
      { CROSSROLE_CONFIG: "a.yaml", CROSSROLE_ROLE_ARN: READER },
      "CROSSROLE_CONFIG and CROSSROLE_ROLE_ARN are both set: unset one of them",
    ],
    [
      "a part of a role without the role",
      { via: [GATEWAY] },
      {},
      "--via needs --role-arn ARN (or CROSSROLE_ROLE_ARN)",
    ],
    [
      "nothing at all, an empty variable included",
      {},
      { CROSSROLE_CONFIG: "" },
      "say which role: --role-arn ARN, or --config FILE (looked for crossrole.yaml and " +
        "/etc/crossrole/crossrole.yaml)",
    ],
  ])("is a question of usage with %s", async (_, flags, environment, message) => {
    const error = await rejectionOf(findOrigin(options(flags, environment)));

    expect(error.code).toBe("ERR_USAGE");
    expect(error.message).toBe(message);
  });
});

describe("one role without a file", () => {
  it("is called like the role of its ARN and answers on 127.0.0.1:9911", async () => {
    const config = await loaded({ roleArn: "arn:aws:iam::222222222222:role/path/orders+reader" });

    expect([...config.roles.keys()]).toEqual(["orders-reader"]);
    expect(config.listeners).toMatchObject([
      {
        kind: "role",
        address: { host: "127.0.0.1", port: 9911 },
        role: "orders-reader",
        hosts: [],
      },
    ]);
  });

  it("has a name that clients accept even when its ARN's is one letter long", async () => {
    const config = await loaded({ roleArn: "arn:aws:iam::222222222222:role/r" });

    expect([...config.roles.keys()]).toEqual(["r-"]);
  });

  it("can be said whole by flags", async () => {
    const config = await loaded({
      roleArn: READER,
      via: [GATEWAY, TRANSIT],
      externalId: "7f2c",
      listen: "127.0.0.1:0",
      sessionName: "orders",
      durationSeconds: "1800",
      profile: "hub",
      region: "eu-west-1",
      stsEndpoint: "http://127.0.0.1:1",
    });

    expect(config.region).toBe("eu-west-1");
    expect(config.sts.endpoint).toBe("http://127.0.0.1:1");
    expect(config.listeners[0]?.address).toEqual({ host: "127.0.0.1", port: 0 });
    expect(config.roles.get("orders-reader")).toMatchObject({
      arn: READER,
      via: [{ arn: GATEWAY }, { arn: TRANSIT }],
      externalId: "7f2c",
      sessionName: "orders",
      durationSeconds: 1_800,
      base: { provider: { kind: "profile", profile: "hub" } },
      region: "eu-west-1",
    });
  });

  it("can be said whole by variables", async () => {
    const config = await loaded(
      {},
      {
        CROSSROLE_ROLE_ARN: READER,
        CROSSROLE_VIA: ` ${GATEWAY}, ${TRANSIT}\n`,
        CROSSROLE_EXTERNAL_ID: "7f2c",
        CROSSROLE_LISTEN: "[::1]:0",
        CROSSROLE_SESSION_NAME: "orders",
        CROSSROLE_DURATION_SECONDS: "1800",
        CROSSROLE_PROFILE: "hub",
        CROSSROLE_REGION: "eu-west-1",
        CROSSROLE_STS_ENDPOINT: "http://127.0.0.1:1",
      },
    );

    expect(config.region).toBe("eu-west-1");
    expect(config.sts.endpoint).toBe("http://127.0.0.1:1");
    expect(config.listeners[0]?.address).toEqual({ host: "::1", port: 0 });
    expect(config.roles.get("orders-reader")).toMatchObject({
      via: [{ arn: GATEWAY }, { arn: TRANSIT }],
      externalId: "7f2c",
      sessionName: "orders",
      durationSeconds: 1_800,
      base: { provider: { kind: "profile", profile: "hub" } },
    });
  });

  it("takes each part from its flag before its variable", async () => {
    const config = await loaded(
      { roleArn: READER, externalId: "flag", region: "eu-west-1" },
      {
        CROSSROLE_ROLE_ARN: GATEWAY,
        CROSSROLE_EXTERNAL_ID: "variable",
        CROSSROLE_REGION: "eu-west-2",
        CROSSROLE_SESSION_NAME: "variable",
      },
    );

    expect(config.region).toBe("eu-west-1");
    expect(config.roles.get("orders-reader")).toMatchObject({
      arn: READER,
      externalId: "flag",
      sessionName: "variable",
    });
  });

  it("is told of every problem at once, each named by flag and variable", async () => {
    const error = await rejectionOf(
      loaded({
        roleArn: "orders-reader",
        via: ["gateway"],
        externalId: `${SECRET} `,
        listen: "9911",
        sessionName: "{who}",
        durationSeconds: "1h",
        profile: "",
        region: "Ireland",
        stsEndpoint: "sts",
      }),
    );

    expect(error.code).toBe("ERR_CONFIG_INVALID");
    const lines = error.message.split("\n  ");
    expect(lines.shift()).toBe("the command line has 9 problems:");
    expect(lines.toSorted()).toEqual([
      expect.stringMatching(
        /^--duration-seconds or CROSSROLE_DURATION_SECONDS must be .*, is "1h"$/,
      ),
      expect.stringMatching(/^--external-id or CROSSROLE_EXTERNAL_ID must be of letters/),
      expect.stringMatching(/^--listen or CROSSROLE_LISTEN must be IP:PORT .*, is "9911"$/),
      expect.stringMatching(/^--profile or CROSSROLE_PROFILE must be .*, is ""$/),
      expect.stringMatching(/^--region or CROSSROLE_REGION must be .*, is "Ireland"$/),
      expect.stringMatching(/^--role-arn or CROSSROLE_ROLE_ARN must look .*, is "orders-reader"$/),
      expect.stringMatching(/^--session-name or CROSSROLE_SESSION_NAME must be .*, is "\{who\}"$/),
      expect.stringMatching(/^--sts-endpoint or CROSSROLE_STS_ENDPOINT must be .*, is "sts"$/),
      expect.stringMatching(/^--via or CROSSROLE_VIA must look .*, is "gateway"$/),
    ]);
    expect(error.message).not.toContain(SECRET);
  });

  it.each(["", "0x1000", "1e4", "3600s", "-1", " 3600"])(
    "has no duration of %j",
    async (durationSeconds) => {
      const error = await rejectionOf(loaded({ roleArn: READER, durationSeconds }));

      expect(error.message).toContain("--duration-seconds or CROSSROLE_DURATION_SECONDS must be");
      expect(error.message).toContain(`is ${JSON.stringify(durationSeconds)}`);
    },
  );
});

describe("a setting beside a file", () => {
  it("says another region and another endpoint, and nothing else", () => {
    const settings = {
      region: "eu-west-2",
      stsEndpoint: "http://127.0.0.1:1",
      externalId: "ignored",
    };
    const file = fileOf({}, { region: "eu-west-1", sts: { endpoint: "https://sts", burst: 5 } });
    const config = configOf(file, { settings });

    expect(config.region).toBe("eu-west-2");
    expect(config.sts).toMatchObject({ endpoint: "http://127.0.0.1:1", burst: 5 });
    expect(config.roles.get("reader")?.externalId).toBeUndefined();
  });

  it("is named by flag and variable when it is wrong, and the file's own value is not", () => {
    expect(problemsIn(fileOf(), { settings: { region: "Ireland" } })).toEqual([
      '--region or CROSSROLE_REGION must be a region such as eu-west-1, is "Ireland"',
    ]);
    expect(problemsIn(fileOf(), { settings: { stsEndpoint: "sts" } })[0]).toMatch(
      /^--sts-endpoint or CROSSROLE_STS_ENDPOINT must be/,
    );
    expect(problemsIn(fileOf({}, { region: "Ireland" }))[0]).toMatch(/^region must be/);
  });
});
