import { describe, expect, it } from "vitest";
import { childEnvironment } from "../../src/commands/child-environment.ts";

const options = {
  way: { protocol: "imds", endpoint: "http://127.0.0.1:4711" },
  region: undefined,
  keepAwsFiles: false,
  emptyFile: "/dev/null",
} as const;

describe("the environment of a child", () => {
  it.each([
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AMAZON_ACCESS_KEY_ID",
    "AMAZON_SECRET_ACCESS_KEY",
    "AMAZON_SESSION_TOKEN",
    "AWS_CREDENTIAL_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "CROSSROLE_ROLE_ARN",
    "CROSSROLE_EXTERNAL_ID",
  ])("has no %s, which would win or is not its business", (name) => {
    expect(childEnvironment({ [name]: "x" }, options)).not.toHaveProperty(name);
  });

  it("has everything else as it was, an empty variable included", () => {
    const environment = { PATH: "/bin", EMPTY: "", AWS_CA_BUNDLE: "/ca", AWS_ENDPOINT_URL_S3: "x" };

    expect(childEnvironment(environment, options)).toMatchObject(environment);
  });

  it.each([
    ["-Daws.accessKeyId=AKIAEXAMPLE -Daws.secretKey=s -Xmx1g", "-Xmx1g"],
    ["-Xmx1g -Daws.secretAccessKey=s  -Dx='a  b'", "-Xmx1g -Dx='a  b'"],
    ['-Da=1 "-Daws.sharedCredentialsFile=/my files/x" -Db=2', "-Da=1 -Db=2"],
    ["-Daws.configFile='/my files/x' -Db=2", "-Db=2"],
    ["-Xmx1g -Daws.webIdentityTokenFile=/t -Daws.roleArn=r", "-Xmx1g"],
    ["-Daws.region=eu-west-1  -Daws.profiles=x", "-Daws.region=eu-west-1  -Daws.profiles=x"],
    ["'-Dnote=see -Daws.profile=x'", "'-Dnote=see -Daws.profile=x'"],
    ["", ""],
    ["-Daws.profile=x -Daws.sessionToken=t", undefined],
  ])("has no property of the JVM that would win: %j becomes %j", (value, rest) => {
    for (const name of ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"]) {
      expect(childEnvironment({ [name]: value }, options)[name]).toBe(rest);
      const kept = { ...options, keepAwsFiles: true };
      expect(childEnvironment({ [name]: value }, kept)[name]).toBe(rest);
    }
    expect(childEnvironment({ OTHER: value }, options)["OTHER"]).toBe(value);
  });

  it("has a variable whatever its name is", () => {
    const environment: Record<string, string> = JSON.parse('{ "__proto__": "x", "toString": "y" }');
    const child = childEnvironment(environment, options);

    expect(Object.entries(child)).toEqual(
      expect.arrayContaining([
        ["__proto__", "x"],
        ["toString", "y"],
      ]),
    );
  });

  it("points at crossrole, whatever was pointed at before", () => {
    const environment = {
      AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://elsewhere",
      AWS_METADATA_SERVICE_TIMEOUT: "1",
    };

    expect(childEnvironment(environment, options)).toEqual({
      AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:4711",
      AWS_EC2_METADATA_V1_DISABLED: "true",
      AWS_METADATA_SERVICE_TIMEOUT: "5",
      AWS_METADATA_SERVICE_NUM_ATTEMPTS: "3",
      NO_PROXY: "127.0.0.1,localhost,::1",
      no_proxy: "127.0.0.1,localhost,::1",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_CREDENTIAL_PROFILES_FILE: "/dev/null",
      BOTO_CONFIG: "/dev/null",
      AWS_SDK_LOAD_CONFIG: "1",
    });
  });

  it("has container credentials alone when that is the protocol", () => {
    const way = {
      protocol: "container",
      uri: "http://127.0.0.1:4711/container/r",
      token: "t",
    } as const;
    const environment = {
      AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://elsewhere",
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/elsewhere",
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/elsewhere",
    };
    const child = childEnvironment(environment, { ...options, way });

    expect(child).toMatchObject({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: way.uri,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: way.token,
    });
    expect(Object.keys(child).filter((name) => /_EC2_|RELATIVE|TOKEN_FILE/.test(name))).toEqual([]);
  });

  it.each<[object, string, string]>([
    [{ NO_PROXY: "a.example, b" }, "a.example,b,127.0.0.1,localhost,::1", "the same"],
    [{ no_proxy: "a" }, "a,127.0.0.1,localhost,::1", "the same"],
    [{ NO_PROXY: "", no_proxy: "a" }, "a,127.0.0.1,localhost,::1", "the same"],
    [{ NO_PROXY: "*" }, "*", "the same"],
    [{ NO_PROXY: "localhost,a,127.0.0.1" }, "localhost,a,127.0.0.1,::1", "the same"],
    [{ NO_PROXY: "a", no_proxy: "b" }, "a,127.0.0.1,localhost,::1", "b,127.0.0.1,localhost,::1"],
    [{ NO_PROXY: "*", no_proxy: "b" }, "*", "b,127.0.0.1,localhost,::1"],
  ])("adds loopback to what is not proxied: %j", (environment, upper, lower) => {
    const child = childEnvironment({ ...environment }, options);

    expect(child["NO_PROXY"]).toBe(upper);
    expect(child["no_proxy"]).toBe(lower === "the same" ? upper : lower);
  });

  it("has the region when it is known, and the one it had when it is not", () => {
    const environment = { AWS_REGION: "eu-west-2" };

    expect(childEnvironment(environment, options)["AWS_REGION"]).toBe("eu-west-2");
    expect(childEnvironment(environment, { ...options, region: "eu-west-1" })).toMatchObject({
      AWS_REGION: "eu-west-1",
      AWS_DEFAULT_REGION: "eu-west-1",
    });
  });

  it("keeps AWS's files in sight when it is told to", () => {
    const environment = {
      AWS_CONFIG_FILE: "/config",
      AWS_CREDENTIAL_PROFILES_FILE: "/java",
      BOTO_CONFIG: "/boto",
    };
    const child = childEnvironment(environment, { ...options, keepAwsFiles: true });

    expect(child).toMatchObject(environment);
    expect(child).not.toHaveProperty("AWS_SHARED_CREDENTIALS_FILE");
    expect(child).not.toHaveProperty("AWS_SDK_LOAD_CONFIG");
    expect(childEnvironment({}, { ...options, keepAwsFiles: true })).not.toHaveProperty(
      "BOTO_CONFIG",
    );
  });
});
