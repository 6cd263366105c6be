/** @module A library is given an environment: what the process has in its own is nobody's then. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { BaseProvider } from "../../src/credentials/types.ts";
import { loadBaseWith } from "../../src/sts/base-credentials.ts";
import { containerCredentials, startFakeService } from "../support/fake-credential-services.ts";
import type { FakeKey } from "../support/fake-sts.ts";
import {
  GATEWAY,
  NEXT_HOUR,
  SESSION,
  baseOf,
  failureOf,
  patience,
  startEdge,
  useCleanEnvironment,
} from "./support.ts";
import type { Edge } from "./support.ts";

const home = useCleanEnvironment();

const NOWHERE_ELSE = { AWS_EC2_METADATA_DISABLED: "true" };

type Variables = Readonly<Record<string, string>>;

async function load({ callSts }: Edge, variables: Variables, kind: Kind = "default") {
  let source: string | undefined;
  const environment = { ...NOWHERE_ELSE, ...variables };
  const onFound = (_: unknown, found: string) => void (source = found);
  const loadBase = loadBaseWith({ callSts, environment, onFound });
  const credentials = await loadBase(baseOf({ kind }), patience());
  return { accessKeyId: credentials.accessKeyId, source };
}

type Kind = Extract<BaseProvider["kind"], "default" | "environment" | "container" | "instance">;

const keyVariables = ({ accessKeyId, secretAccessKey }: FakeKey) => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
});

function stub(variables: Variables): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}

describe("of a given environment without credentials", () => {
  it.each<Kind>(["default", "environment"])("a %s base is not the process's key", async (kind) => {
    await using edge = await startEdge();
    stub(keyVariables(edge.key));

    const { code, message } = await failureOf(load(edge, {}, kind));

    expect(code).toBe("ERR_BASE_UNAVAILABLE");
    expect(message).toContain("AWS_ACCESS_KEY_ID is not set");
  });

  it("a default base is not the process's web identity, nor its named profile", async () => {
    await using edge = await startEdge();
    edge.sts.addRole({ arn: GATEWAY, webIdentity: () => true });
    const tokenFile = path.join(home(), "token");
    await writeFile(tokenFile, "token");
    const [id, secret] = Object.values(keyVariables(edge.key));
    const profile = `[hub]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`;
    await writeFile(path.join(home(), "credentials"), profile);
    stub({ AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: GATEWAY });
    expect((await failureOf(load(edge, {}))).code).toBe("ERR_BASE_UNAVAILABLE");
    stub({ AWS_PROFILE: "hub" });
    expect((await failureOf(load(edge, {}))).code).toBe("ERR_BASE_UNAVAILABLE");
    expect(edge.sts.calls).toEqual([]);
  });

  it.each<Kind>(["default", "container"])(
    "a %s base is not the process's container",
    async (kind) => {
      await using edge = await startEdge();
      await using service = await startFakeService(containerCredentials(SESSION, NEXT_HOUR, "one"));
      stub({
        AWS_CONTAINER_CREDENTIALS_FULL_URI: service.url,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: "one",
      });

      expect((await failureOf(load(edge, {}, kind))).code).toBe("ERR_BASE_UNAVAILABLE");
      expect(service.requests).toEqual([]);
    },
  );
});

describe("of a given environment", () => {
  it("an environment base is its key, even beside the name of a profile", async () => {
    await using edge = await startEdge();
    stub(keyVariables(SESSION));
    const variables = { ...keyVariables(edge.key), AWS_PROFILE: "hub" };

    expect((await load(edge, variables, "environment")).accessKeyId).toBe(edge.key.accessKeyId);
  });

  it("a default base is the profile it names", async () => {
    await using edge = await startEdge();
    const [id, secret] = Object.values(keyVariables(edge.key));
    const profile = `[hub]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`;
    await writeFile(path.join(home(), "credentials"), profile);
    stub(keyVariables(SESSION));

    expect(await load(edge, { AWS_PROFILE: "hub" })).toEqual({
      accessKeyId: edge.key.accessKeyId,
      source: "profile hub, by its keys",
    });
  });

  it("a default base is its web identity", async () => {
    await using edge = await startEdge();
    edge.sts.addRole({ arn: GATEWAY, webIdentity: () => true });
    const tokenFile = path.join(home(), "token");
    await writeFile(tokenFile, "given");
    stub({ AWS_WEB_IDENTITY_TOKEN_FILE: "/nowhere", AWS_ROLE_ARN: "arn:aws:iam::1:role/x" });

    const variables = { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: GATEWAY };
    const { source } = await load(edge, variables);

    expect(source).toBe("web identity (AWS_WEB_IDENTITY_TOKEN_FILE)");
    expect(edge.sts.calls[0]?.parameters["WebIdentityToken"]).toBe("given");
  });

  it.each<Kind>(["default", "container"])("a %s base is its container", async (kind) => {
    await using edge = await startEdge();
    await using service = await startFakeService(containerCredentials(SESSION, NEXT_HOUR, "one"));
    stub({
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/elsewhere",
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/nowhere",
    });
    const variables = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: service.url,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "one",
    };

    expect(await load(edge, variables, kind)).toEqual({
      accessKeyId: SESSION.accessKeyId,
      source: "container credentials",
    });
  });
});
