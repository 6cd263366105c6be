/** @module Where the first signature comes from: the SDK's providers, each by its name. */
import { exec } from "node:child_process";
import { promisify } from "node:util";
import { CrossroleError } from "../errors.ts";
import { SigningCredentials } from "../credentials/types.ts";
import type { BaseCredentials, BaseProvider, LoadBaseCredentials } from "../credentials/types.ts";
import { sourceOf } from "./base-source.ts";
import { keysIn } from "./environment-keys.ts";
import { chainIn, containerIn } from "./default-chain.ts";
import { parseProcessCredentials } from "./process-credentials.ts";
import type { Identity } from "./process-credentials.ts";
import { profileAssumers } from "./profile-assumers.ts";
import { causeOf, saidBy } from "./said.ts";
import type { CallSts } from "./sts-client.ts";
import { assumeWithWebIdentity } from "./web-identity.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface BaseOptions {
  readonly callSts: CallSts;
  /** What the SDK's providers look at, to say in an error what there was to find. */
  readonly environment: Environment;
  /** Told, at each load, which source the credentials were found in. */
  readonly onFound?: ((base: BaseCredentials, source: string) => void) | undefined;
}

/** The port {@link LoadBaseCredentials}. Nothing is remembered from one load to the next. */
export function loadBaseWith(options: BaseOptions): LoadBaseCredentials {
  const webIdentity = assumeWithWebIdentity(options.callSts);
  return async (base, { signal }) => {
    if (base.provider.kind === "webIdentity") {
      options.onFound?.(base, `the web identity token in ${base.provider.tokenFile}`);
      return webIdentity(base, base.provider, { signal });
    }
    try {
      const identity = await identityOf(base, base.provider, options, signal);
      options.onFound?.(base, sourceOf(identity, base.provider, options.environment));
      return toSigning(identity);
    } catch (error) {
      const tried = triedBy(base.provider, options.environment);
      const message = `base "${base.name}": no credentials (${saidBy(error)}); tried ${tried}`;
      throw new CrossroleError("ERR_BASE_UNAVAILABLE", message, { cause: causeOf(error) });
    }
  };
}

async function identityOf(
  base: BaseCredentials,
  provider: Exclude<BaseProvider, { kind: "webIdentity" }>,
  { callSts, environment }: BaseOptions,
  signal: AbortSignal,
): Promise<Identity> {
  if (provider.kind === "process") return await runProcess(provider.command, signal);
  const keys =
    provider.kind === "environment" || (provider.kind === "default" && !environment["AWS_PROFILE"])
      ? keysIn(environment)
      : undefined;
  if (keys !== undefined) return keys;
  if (provider.kind === "environment") {
    throw new Error("Unable to find environment variable credentials.");
  }
  const sdk = await import("@aws-sdk/credential-providers");
  // Without ignoreCache a profile is read once in the life of a process. No clientConfig: the SDK
  // would ask SSO, too, in the region and at the endpoint that are meant for STS.
  const init = {
    ...profileAssumers(callSts, base.region, signal),
    ignoreCache: true,
    logger: SILENT,
  };
  switch (provider.kind) {
    case "default":
      return await chainIn(environment, sdk, init);
    case "profile":
      return await sdk.fromIni({ ...init, profile: provider.profile })();
    case "container":
      return await sdk.fromHttp({ ...containerIn(environment), maxRetries: 1, logger: SILENT })();
    case "instance":
      return await sdk.fromInstanceMetadata({ maxRetries: 2, logger: SILENT })();
  }
}

/** The SDK's providers warn on the console, in prose; what matters is in their errors. */
const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {
  // Said to nobody.
}

async function runProcess(command: string, signal: AbortSignal): Promise<Identity> {
  const { stdout } = await promisify(exec)(command, { signal }).catch((error: unknown) => {
    // Without the cause: it holds the command, stdout and stderr, and each may hold a secret.
    throw new Error(`it ${endOf(error)}`);
  });
  return parseProcessCredentials(stdout);
}

/** How a child process ended that did not end well. */
function endOf(error: unknown): string {
  if (!(error instanceof Error)) return "failed";
  if (error.name === "AbortError") return "was given up";
  if ("signal" in error && typeof error.signal === "string") return `was ended by ${error.signal}`;
  return "code" in error ? `failed with exit code ${String(error.code)}` : "failed";
}

function toSigning(identity: Identity): SigningCredentials {
  return new SigningCredentials({
    accessKeyId: identity.accessKeyId,
    secretAccessKey: identity.secretAccessKey,
    sessionToken: identity.sessionToken,
    expiration: identity.expiration,
    issuedAt: new Date(),
  });
}

/** What a provider looks at, and which of it is there: names only, never a value that could be secret. */
function triedBy(provider: BaseProvider, environment: Environment): string {
  const isSet = (name: string) => `${name} ${environment[name] ? "is set" : "is not set"}`;
  const files = `${environment["AWS_SHARED_CREDENTIALS_FILE"] ?? "~/.aws/credentials"} and ${environment["AWS_CONFIG_FILE"] ?? "~/.aws/config"}`;
  const container = `${isSet("AWS_CONTAINER_CREDENTIALS_FULL_URI")}, ${isSet("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")}`;
  switch (provider.kind) {
    case "default":
      return (
        `the environment (${isSet("AWS_ACCESS_KEY_ID")}), ` +
        `${profileIn(files, environment["AWS_PROFILE"] ?? "default")}, ` +
        `web identity (${isSet("AWS_WEB_IDENTITY_TOKEN_FILE")}), ` +
        `container credentials (${container}), instance metadata`
      );
    case "profile":
      return profileIn(files, provider.profile);
    case "environment":
      return `${isSet("AWS_ACCESS_KEY_ID")}, ${isSet("AWS_SECRET_ACCESS_KEY")}`;
    case "container":
      return container;
    case "instance":
      return `the instance metadata service at ${environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"}`;
    case "process":
      return `the command ${programOf(provider.command)}`;
    case "webIdentity":
      return `the token file ${provider.tokenFile}`;
  }
}

function profileIn(files: string, profile: string): string {
  return `profile ${profile} of ${files} (for SSO run "aws sso login --profile ${profile}")`;
}

/** The program alone: an argument, or a variable set in front of it, may be a secret. */
function programOf(command: string): string {
  return command.split(/\s+/).find((word) => word !== "" && !word.includes("=")) ?? "";
}
