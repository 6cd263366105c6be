/** @module The SDK's clients of STS: to make one takes as long as a call with it, so the latest are kept. */
import type * as Sdk from "@aws-sdk/client-sts";
import { LRUCache } from "lru-cache";
import type { SigningCredentials } from "../credentials/types.ts";
import { observe } from "./observe.ts";

/** A connection that is not made in 2 s will not be made; the whole call is bounded by the core. */
const CONNECTION_TIMEOUT_MS = 2_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** Most calls are signed by the few base credentials and hops that many roles share. */
const KEPT = 8;

/** Who signs a call that is not signed. */
const NOBODY = {};

interface Wanted {
  readonly region: string;
  /** Absent for AssumeRoleWithWebIdentity, which is not signed. */
  readonly signer?: SigningCredentials;
  /** Milliseconds that the wall clock is behind STS's. */
  readonly skewMs: number;
}

export interface StsClients {
  /** The client for a call. Each reports to {@link observe}, and all share their connections. */
  readonly clientFor: (wanted: Wanted) => Sdk.STSClient;
  /** Closes the connections that are kept. */
  readonly close: () => void;
}

export function stsClients(sdk: typeof Sdk, endpoint: string | undefined): StsClients {
  const kept = new LRUCache<object, { readonly region: string; readonly client: Sdk.STSClient }>({
    max: KEPT,
  });
  let requestHandler: Sdk.STSClient["config"]["requestHandler"] | undefined;

  const create = ({ region, signer }: Wanted): Sdk.STSClient => {
    const client = new sdk.STSClient({
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      credentials: signer === undefined ? noCredentials : identityOf(signer),
      maxAttempts: 1,
      requestHandler: requestHandler ?? {
        connectionTimeout: CONNECTION_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        // Without it the SDK writes a warning to stderr and waits on.
        throwOnRequestTimeout: true,
      },
    });
    requestHandler ??= client.config.requestHandler;
    observe(client);
    return client;
  };

  const clientFor = (wanted: Wanted): Sdk.STSClient => {
    const { region, signer = NOBODY } = wanted;
    const known = kept.get(signer);
    const client = known?.region === region ? known.client : create(wanted);
    if (client !== known?.client) kept.set(signer, { region, client });
    client.config.systemClockOffset = wanted.skewMs;
    return client;
  };
  return { clientFor, close: () => requestHandler?.destroy?.() };
}

function identityOf(signer: SigningCredentials) {
  return {
    accessKeyId: signer.accessKeyId,
    secretAccessKey: signer.secretAccessKey,
    ...(signer.sessionToken === undefined ? {} : { sessionToken: signer.sessionToken }),
  };
}

/** AssumeRoleWithWebIdentity is not signed; the SDK must not go looking for credentials for it. */
async function noCredentials(): Promise<never> {
  throw new TypeError("this call is not signed");
}
