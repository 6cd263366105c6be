/** @module Where the first signature comes from: the SDK's providers, each by its name. */
import { exec } from "node:child_process";
import { promisify } from "node:util";
import { CrossroleError, messageOf } from "../errors.ts";
import { SigningCredentials } from "../credentials/types.ts";
import type { BaseCredentials, BaseProvider, LoadBaseCredentials } from "../credentials/types.ts";
import { assumeWithWebIdentity } from "./assume-role.ts";
import { parseProcessCredentials } from "./process-credentials.ts";
import type { Identity } from "./process-credentials.ts";
import type { CallSts } from "./sts-client.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface BaseOptions {
  readonly callSts: CallSts;
  /** STS instead of the region's own, for the providers of the SDK that ask STS themselves. */
  readonly endpoint?: string | undefined;
  /** What the SDK's providers look at, to say in an error what there was to find. */
  readonly environment: Environment;
}

/** The port {@link LoadBaseCredentials}. Nothing is remembered from one load to the next. */
export function loadBaseWith(options: BaseOptions): LoadBaseCredentials {
  const webIdentity = assumeWithWebIdentity(options.callSts);
  return async (base, { signal }) => {
    if (base.provider.kind === "webIdentity") return webIdentity(base, base.provider, { signal });
    try {
      return toSigning(await identityOf(base, base.provider, options, signal));
    } catch (error) {
      const tried = triedBy(base.provider, options.environment);
      const message = `base "${base.name}": no credentials (${messageOf(error)}); tried ${tried}`;
      throw new CrossroleError("ERR_BASE_UNAVAILABLE", message, { cause: error });
    }
  };
}

async function identityOf(
  base: BaseCredentials,
  provider: Exclude<BaseProvider, { kind: "webIdentity" }>,
  { endpoint }: BaseOptions,
  signal: AbortSignal,
): Promise<Identity> {
  if (provider.kind === "process") return await runProcess(provider.command, signal);
  const sdk = await import("@aws-sdk/credential-providers");
  const clientConfig = { region: base.region, ...(endpoint === undefined ? {} : { endpoint }) };
  // Without ignoreCache a profile is read once in the life of a process.
  const init = { clientConfig, ignoreCache: true };
  switch (provider.kind) {
    case "default":
      return await sdk.fromNodeProviderChain(init)();
    case "profile":
      return await sdk.fromIni({ ...init, profile: provider.profile })();
    case "environment":
      return await sdk.fromEnv()();
    case "container":
      return await sdk.fromHttp()();
    case "instance":
      return await sdk.fromInstanceMetadata({ maxRetries: 2 })();
  }
}

async function runProcess(command: string, signal: AbortSignal): Promise<Identity> {
  const { stdout } = await promisify(exec)(command, { signal }).catch((error: unknown) => {
    // Node's message holds the whole command and its stderr: either may hold a secret.
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    throw new Error(`it failed with exit code ${code}`, { cause: error });
  });
  return parseProcessCredentials(stdout);
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
        `profile ${environment["AWS_PROFILE"] ?? "default"} of ${files}, ` +
        `web identity (${isSet("AWS_WEB_IDENTITY_TOKEN_FILE")}), ` +
        `container credentials (${container}), instance metadata`
      );
    case "profile":
      return `profile ${provider.profile} of ${files}; for SSO run "aws sso login --profile ${provider.profile}"`;
    case "environment":
      return `${isSet("AWS_ACCESS_KEY_ID")}, ${isSet("AWS_SECRET_ACCESS_KEY")}`;
    case "container":
      return container;
    case "instance":
      return `the instance metadata service at ${environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"}`;
    case "process":
      return `the command ${provider.command.split(" ")[0] ?? ""}`;
    case "webIdentity":
      return `the token file ${provider.tokenFile}`;
  }
}
