/** @module The SDK's default chain, of an environment that need not be this process's own: a library is given one. */
import type * as providers from "@aws-sdk/credential-providers";

type Environment = Readonly<Record<string, string | undefined>>;
type Sdk = typeof providers;
type Provider = ReturnType<Sdk["fromHttp"]>;
/** What the SDK's providers are told besides. */
type Init = NonNullable<Parameters<Sdk["fromNodeProviderChain"]>[0]>;

/**
 * What comes behind keys in variables, in the SDK's order. By themselves its providers look at the variables
 * of the process, so each is told what `environment` says. The AWS files, and the address of instance
 * metadata, stay those of the process.
 */
export async function chainIn(
  environment: Environment,
  sdk: Sdk,
  init: Init,
): Promise<Awaited<ReturnType<Provider>>> {
  const profile = environment["AWS_PROFILE"] || "default";
  const none = new Error("Could not load credentials from any providers");
  return await sdk.createCredentialChain(
    () => sdk.fromIni({ ...init, profile })(),
    ...webIdentityIn(environment, sdk, init),
    ...remoteIn(environment, sdk, init),
    () => Promise.reject(none),
  )();
}

function webIdentityIn(environment: Environment, sdk: Sdk, init: Init): Provider[] {
  const webIdentityTokenFile = environment["AWS_WEB_IDENTITY_TOKEN_FILE"];
  const roleArn = environment["AWS_ROLE_ARN"];
  if (!webIdentityTokenFile || !roleArn) return [];
  // The SDK's own name for want of one.
  const roleSessionName =
    environment["AWS_ROLE_SESSION_NAME"] ?? `aws-sdk-js-session-${Date.now()}`;
  const said = { webIdentityTokenFile, roleArn, roleSessionName };
  // The SDK notes it only of the process's own token file.
  const $source = { CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN: "h" } as const;
  return [async () => ({ ...(await sdk.fromTokenFile({ ...init, ...said })()), $source })];
}

function remoteIn(environment: Environment, sdk: Sdk, init: Init): Provider[] {
  const container = containerIn(environment);
  if (container.awsContainerCredentialsRelativeUri || container.awsContainerCredentialsFullUri) {
    return [async () => await sdk.fromHttp({ ...init, ...container })()];
  }
  const disabled = environment["AWS_EC2_METADATA_DISABLED"];
  return disabled && disabled !== "false" ? [] : [sdk.fromInstanceMetadata(init)];
}

/** The container that `environment` speaks of. Empty, not undefined: the SDK would look into the process's then. */
export function containerIn(environment: Environment) {
  const said = (name: string) => environment[`AWS_CONTAINER_${name}`] ?? "";
  return {
    awsContainerCredentialsRelativeUri: said("CREDENTIALS_RELATIVE_URI"),
    awsContainerCredentialsFullUri: said("CREDENTIALS_FULL_URI"),
    awsContainerAuthorizationToken: said("AUTHORIZATION_TOKEN"),
    awsContainerAuthorizationTokenFile: said("AUTHORIZATION_TOKEN_FILE"),
  };
}
