/** @module What `crossrole check --client --json` prints. Fields are added, never renamed or given another meaning. */
import type { SdkName } from "./sdks.ts";

export interface ClientReport {
  /** Whether no SDK that was asked for is kept from crossrole. The exit code is 0 then, else 1. */
  readonly ok: boolean;
  /** Where credentials are asked for when nothing wins before: container credentials, or instance metadata. */
  readonly way: "container" | "metadata";
  /** What answers there. */
  readonly endpoint: Endpoint;
  readonly sdks: readonly SdkReport[];
}

export interface Endpoint {
  /** The variable that says where; undefined for the address that every SDK knows. */
  readonly variable: string | undefined;
  /** Scheme, host and port; of a metadata endpoint its path too. */
  readonly url: string;
  readonly answer: EndpointAnswer;
}

export type EndpointAnswer =
  /** It is crossrole, and has credentials of this role. */
  | { readonly kind: "crossrole"; readonly role: string }
  /** It is crossrole, and gives nothing here, or nothing now. */
  | { readonly kind: "nothing"; readonly why: string }
  /** Something else answers. */
  | { readonly kind: "other"; readonly why: string }
  /** Nobody answers. */
  | { readonly kind: "silent"; readonly why: string }
  /** Nobody was asked: no variable says where. */
  | { readonly kind: "unasked" };

export interface SdkReport {
  readonly sdk: SdkName;
  /**
   * Whose credentials it gets: crossrole's; another provider's, the first of the findings with level
   * `error`; none; or `unproven`, when nothing wins and nobody was asked.
   */
  readonly gets: "crossrole" | "other" | "nothing" | "unproven";
  /** What wins over crossrole in the order of the chain, then what is wrong on the way to it. */
  readonly findings: readonly ClientFinding[];
}

export interface ClientFinding {
  /** `error`: it keeps the SDK from crossrole. `warning`: it will, some day. `note`: good to know. */
  readonly level: "error" | "warning" | "note";
  /**
   * - `environment-keys`, `java-properties`, `profile`, `web-identity`, `container`, `credential-file`,
   *   `boto-config`: what wins
   * - `incomplete`, `unknown-profile`: what ends the chain with an error
   * - `metadata-disabled`, `endpoint-invalid`, `endpoint-path`, `endpoint-slash`, `endpoint-mode`,
   *   `endpoint-host`, `endpoint-unset`, `endpoint-answer`: where crossrole is looked for
   * - `container-host`, `container-token`: how it is asked
   * - `proxy`, `imds-v1`: on the way
   */
  readonly code: ClientFindingCode;
  /** A variable, or a profile and its file. Never the value of one. */
  readonly what: string;
  /** What it does. */
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

type ClientFindingCode =
  | "environment-keys"
  | "java-properties"
  | "profile"
  | "web-identity"
  | "container"
  | "credential-file"
  | "boto-config"
  | "incomplete"
  | "unknown-profile"
  | "metadata-disabled"
  | "endpoint-invalid"
  | "endpoint-path"
  | "endpoint-slash"
  | "endpoint-mode"
  | "endpoint-host"
  | "endpoint-unset"
  | "endpoint-answer"
  | "container-host"
  | "container-token"
  | "proxy"
  | "imds-v1";
