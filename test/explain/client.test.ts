import { describe, expect, it } from "vitest";
import { botoFileOf, profilesOf } from "../../src/explain/client/aws-files.ts";
import { placeOf, shownUrl } from "../../src/explain/client/place.ts";
import { rivalsOf } from "../../src/explain/client/rivals.ts";
import { SDKS } from "../../src/explain/client/sdks.ts";
import type { Sdk, SdkName } from "../../src/explain/client/sdks.ts";
import { wayFindings } from "../../src/explain/client/way-findings.ts";

type Environment = Readonly<Record<string, string>>;

const HOME = "/home/me";
const CREDENTIALS = `${HOME}/.aws/credentials`;
const CONFIG = `${HOME}/.aws/config`;
const CROSSROLE = { kind: "crossrole", role: "reader" } as const;
const NO_TOKEN = { token: undefined, variable: "X", endsInNewline: false };

function sdk(name: SdkName): Sdk {
  const found = SDKS.find((one) => one.name === name);
  if (found === undefined) throw new TypeError(name);
  return found;
}

/** What wins for `name`, in the order of its chain: by the code of each finding. */
function rivals(
  name: SdkName,
  environment: Environment,
  files: Readonly<Record<string, string>> = {},
  way: "container" | "metadata" = "metadata",
): string[] {
  const read = new Map(Object.entries(files));
  const profiles = profilesOf(sdk(name), read, environment, HOME);
  const botoFile = botoFileOf(read, environment, HOME);
  return rivalsOf(sdk(name), { environment, profiles, botoFile, way }).map(({ code }) => code);
}

/** What is wrong on the way for `name`. */
function onTheWay(name: SdkName, environment: Environment): string[] {
  const place = placeOf(environment);
  const way = { place, answer: CROSSROLE, found: NO_TOKEN, environment };
  return wayFindings(sdk(name), way).map(({ level, code }) => `${level} ${code}`);
}

function at(host: string): Environment {
  return { AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${host}/x` };
}

function everySdk(check: (name: SdkName) => unknown): SdkName[] {
  return SDKS.map(({ name }) => name).filter((name) => check(name) === true);
}

const keys = { AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "s" };
const token = { AWS_WEB_IDENTITY_TOKEN_FILE: "/token", AWS_ROLE_ARN: "arn" };
const withKeys = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = s\n";
const endpoint = (url: string) => ({
  AWS_EC2_METADATA_SERVICE_ENDPOINT: url,
  AWS_EC2_METADATA_V1_DISABLED: "true",
});

describe("what wins in the chain of", () => {
  it.each<[SdkName, string[]]>([
    ["boto3", ["environment-keys", "web-identity", "profile"]],
    ["cli", ["environment-keys", "web-identity", "profile"]],
    ["go-v2", ["environment-keys", "web-identity", "profile"]],
    ["java-v2", ["environment-keys", "web-identity", "profile"]],
    ["java-v1", ["environment-keys", "web-identity", "profile"]],
    ["js-v3", ["environment-keys", "profile", "web-identity"]],
    ["js-v2", ["environment-keys", "profile", "web-identity"]],
    ["rust", ["environment-keys", "profile", "web-identity"]],
    ["ruby", ["environment-keys", "web-identity", "profile"]],
    ["php", ["environment-keys", "web-identity", "profile"]],
    ["dotnet", ["environment-keys", "web-identity", "profile"]],
    ["cpp", ["environment-keys", "profile", "web-identity"]],
  ])("%s is in its own order", (name, codes) => {
    const files = { [CREDENTIALS]: `[default]\n${withKeys}` };

    expect(rivals(name, { ...keys, ...token }, files)).toEqual(codes);
  });

  it("boto3: a profile that assumes a role comes before the token", () => {
    const files = { [CONFIG]: "[default]\nrole_arn = x\nsource_profile = y\n" };

    expect(rivals("boto3", token, files)).toEqual(["profile", "web-identity"]);
  });

  it("JS v2: what comes behind container credentials does not win over them", () => {
    const files = { [CREDENTIALS]: "[default]\ncredential_process = x\n" };

    expect(rivals("js-v2", token, files, "container")).toEqual([]);
    expect(rivals("js-v2", token, files)).toEqual(["profile", "web-identity"]);
  });

  it("JS v3: a profile that is named makes it pass over keys", () => {
    const files = { [CREDENTIALS]: `[other]\n${withKeys}` };

    expect(rivals("js-v3", { ...keys, AWS_PROFILE: "other" }, files)).toEqual(["profile"]);
  });

  it.each<[string, Environment, SdkName[]]>([
    ["AWS_ACCESS_KEY", { AWS_ACCESS_KEY: "a", AWS_SECRET_KEY: "b" }, ["go-v2", "java-v1", "ruby"]],
    [
      "AMAZON_ACCESS_KEY_ID",
      { AMAZON_ACCESS_KEY_ID: "a", AMAZON_SECRET_ACCESS_KEY: "b" },
      ["js-v2", "ruby"],
    ],
    ["AWS_CREDENTIAL_FILE", { AWS_CREDENTIAL_FILE: "/x" }, ["boto3", "cli"]],
    [
      "a property of the JVM",
      { JAVA_TOOL_OPTIONS: "-Xmx1g -Daws.accessKeyId=AKIAEXAMPLE" },
      ["java-v2", "java-v1"],
    ],
    ["half a key", { AWS_ACCESS_KEY_ID: "AKIAEXAMPLE" }, ["boto3", "cli"]],
    ["half a web identity", { AWS_WEB_IDENTITY_TOKEN_FILE: "/x" }, ["boto3", "cli", "go-v2"]],
    ["a profile in no file", { AWS_PROFILE: "nowhere" }, ["boto3", "cli", "go-v2"]],
    ["a variable that is empty", { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" }, []],
  ])("those that know it: %s", (_, environment, names) => {
    expect(everySdk((name) => rivals(name, environment).length > 0)).toEqual(names);
  });
});

describe("boto's own files", () => {
  const withCredentials = `[Credentials]\n${withKeys}`;

  it.each([
    ["~/.boto", {}, `${HOME}/.boto`],
    ["/etc/boto.cfg", {}, "/etc/boto.cfg"],
    ["the file of BOTO_CONFIG", { BOTO_CONFIG: "~/own" }, `${HOME}/own`],
  ])("win over both ways by keys in %s, with botocore alone", (_, environment, file) => {
    const files = { [file]: withCredentials };
    const seen = everySdk((name) => rivals(name, environment, files).includes("boto-config"));

    expect(seen).toEqual(["boto3", "cli"]);
    expect(rivals("boto3", environment, files, "container")).toEqual(["boto-config"]);
  });

  it.each([
    ["no keys", "[Credentials]\ngs_oauth2_refresh_token = x\n"],
    ["keys of another section", `[credentials]\n${withKeys}`],
    ["a comment", "[Credentials]\n# aws_access_key_id = x\n"],
  ])("win nothing by %s", (_, text) => {
    expect(rivals("boto3", {}, { [`${HOME}/.boto`]: text })).toEqual([]);
  });

  it("are out of sight where BOTO_CONFIG names another", () => {
    const files = { [`${HOME}/.boto`]: withCredentials, "/etc/boto.cfg": withCredentials };

    expect(rivals("boto3", { BOTO_CONFIG: "/dev/null" }, files)).toEqual([]);
    expect(rivals("boto3", { BOTO_CONFIG: "" }, files)).toEqual([]);
  });
});

describe("the AWS files", () => {
  it.each([
    ["keys", withKeys],
    ["SSO", "sso_session = x\n"],
    ["the old SSO", "sso_start_url = x\n"],
    ["a process", "credential_process = x\n"],
    ["web identity", "role_arn = x\nweb_identity_token_file = y\n"],
  ])("win by a default profile with %s", (_, text) => {
    expect(rivals("rust", {}, { [CONFIG]: `[default]\n${text}` })).toEqual(["profile"]);
  });

  it.each([
    ["a region alone", "[default]\nregion = eu-west-1\n"],
    ["half a key", "[default]\naws_access_key_id = AKIAEXAMPLE\n"],
    ["another profile", `[profile other]\n${withKeys}`],
    ["what is no profile", `[sso-session default]\n${withKeys}`],
    ["settings of S3", "[default]\ns3 =\n  credential_process = x\n"],
    ["a comment", "[default]\n# credential_process = x\n"],
    ["no value", "[default]\ncredential_process =\n"],
  ])("win nothing by %s", (_, text) => {
    expect(rivals("rust", {}, { [CONFIG]: text })).toEqual([]);
  });

  it("are other ones for Java v1 and JS v2", () => {
    const environment = { AWS_SHARED_CREDENTIALS_FILE: "/else/where" };
    const files = { [CREDENTIALS]: `[default]\n${withKeys}` };
    const seen = everySdk((name) => rivals(name, environment, files).length > 0);

    expect(seen).toEqual(["java-v1", "js-v2"]);
    expect(rivals("js-v2", { ...environment, AWS_SDK_LOAD_CONFIG: "1" }, files)).toEqual([]);
    const java = { ...environment, AWS_CREDENTIAL_PROFILES_FILE: "/dev/null" };
    expect(rivals("java-v1", java, { ...files, "/dev/null": "" })).toEqual([]);
  });

  it("never show what is behind the sign of assignment", () => {
    const files = new Map([[CREDENTIALS, `[default]\n${withKeys}`]]);
    const profiles = profilesOf(sdk("boto3"), files, {}, HOME);
    const [finding] = rivalsOf(sdk("boto3"), {
      environment: {},
      profiles,
      botoFile: undefined,
      way: "metadata",
    });

    expect(finding?.what).toBe(`profile default of ${CREDENTIALS}`);
    expect(JSON.stringify(finding)).not.toContain("AKIA");
  });
});

describe("on the way to metadata", () => {
  it.each<[string, Environment, SdkName[]]>([
    ["true", { AWS_EC2_METADATA_DISABLED: "true" }, SDKS.map(({ name }) => name)],
    ["1", { AWS_EC2_METADATA_DISABLED: "1" }, ["js-v3", "js-v2"]],
    ["false", { AWS_EC2_METADATA_DISABLED: "false" }, ["js-v2"]],
  ])("AWS_EC2_METADATA_DISABLED=%s keeps from asking", (_, environment, names) => {
    const all = { ...endpoint("http://127.0.0.1:9911"), ...environment };
    expect(everySdk((name) => onTheWay(name, all).includes("error metadata-disabled"))).toEqual(
      names,
    );
  });

  it.each<[string, Environment, SdkName[]]>([
    ["without an exception", {}, ["boto3", "cli"]],
    ["with the host excepted", { NO_PROXY: "localhost,127.0.0.1" }, []],
    ["with host and port excepted", { no_proxy: "127.0.0.1:9911" }, []],
    ["with another port excepted", { no_proxy: "127.0.0.1:80" }, ["boto3", "cli"]],
    ["with everything excepted", { no_proxy: "*" }, []],
    ["with half of the address excepted", { no_proxy: "0.0.1" }, []],
  ])("a proxy %s", (_, environment, names) => {
    const all = {
      ...endpoint("http://127.0.0.1:9911"),
      HTTP_PROXY: "http://user:secret@proxy:3128",
      ...environment,
    };
    expect(everySdk((name) => onTheWay(name, all).includes("error proxy"))).toEqual(names);
  });

  it("a proxy takes in more SDKs where the endpoint is not loopback", () => {
    const all = { ...endpoint("http://169.254.169.254"), http_proxy: "http://proxy:3128" };
    expect(everySdk((name) => onTheWay(name, all).includes("error proxy"))).toEqual([
      "boto3",
      "cli",
      "go-v2",
      "ruby",
    ]);
  });

  it.each<[string, string, SdkName[]]>([
    ["https", "error endpoint-invalid", SDKS.map(({ name }) => name)],
    ["10.0.0.1", "error endpoint-host", ["php"]],
    ["the address of metadata", "error endpoint-host", []],
    ["the address of metadata and a slash", "error endpoint-host", ["php"]],
    ["a slash", "note endpoint-slash", ["java-v2", "js-v2"]],
    ["a path", "warning endpoint-path", ["go-v2", "js-v3", "ruby"]],
    ["no URL", "error endpoint-invalid", SDKS.map(({ name }) => name)],
  ])("an endpoint with %s: %s", (what, finding, names) => {
    const urls: Readonly<Record<string, string>> = {
      https: "https://127.0.0.1:9911",
      "10.0.0.1": "http://10.0.0.1:9911",
      "the address of metadata": "http://169.254.169.254",
      "the address of metadata and a slash": "http://169.254.169.254/",
      "a slash": "http://127.0.0.1:9911/",
      "a path": "http://127.0.0.1:9911/roles/reader",
      "no URL": "127.0.0.1:9911",
    };
    const environment = endpoint(urls[what] ?? "");
    expect(everySdk((name) => onTheWay(name, environment).includes(finding))).toEqual(names);
  });

  it.each<[string, string, SdkName[]]>([
    ["ipv6", "error endpoint-mode", ["js-v3"]],
    ["IPv6", "error endpoint-mode", []],
    ["IPv6", "warning endpoint-mode", SDKS.map(({ name }) => name)],
  ])("the endpoint mode %s: %s", (value, finding, names) => {
    const environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: value };
    expect(everySdk((name) => onTheWay(name, environment).includes(finding))).toEqual(names);
  });

  it("IMDSv1 that is not switched off is noted, but for Rust, which has none", () => {
    const environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:9911" };
    const noted = everySdk((name) => onTheWay(name, environment).includes("note imds-v1"));

    expect(noted).toHaveLength(SDKS.length - 1);
    expect(noted).not.toContain("rust");
  });
});

describe("container credentials", () => {
  it("are asked for before metadata, the relative URI first", () => {
    const both = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:9911/container/reader",
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials/secret",
      ...endpoint("http://127.0.0.1:9911"),
    };

    expect(placeOf(both)).toMatchObject({ way: "container" });
    expect(shownUrl(placeOf(both))).toBe("http://169.254.170.2");
    expect(onTheWay("boto3", both)).toEqual(["warning container"]);
  });

  it("over http are asked for at loopback and AWS's own addresses only", () => {
    expect(onTheWay("rust", at("10.0.0.1"))).toEqual(["error container-host"]);
    for (const host of ["127.0.0.1:9", "localhost", "[::1]", "169.254.170.23", "[fd00:ec2::23]"]) {
      expect(onTheWay("rust", at(host))).toEqual([]);
    }
  });
});
