/** @module Pods and rules for the tests of who is asking and what they get. */
import type { RoleRules } from "../../src/callers/associations.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { Pod } from "../../src/kubernetes/pod.ts";

export const READER = "arn:aws:iam::222222222222:role/reader";

export function podOf(fields: Partial<Pod> = {}): Pod {
  return {
    uid: "uid-1",
    namespace: "team-a",
    name: "web-1",
    serviceAccount: "reader",
    node: "n1",
    addresses: ["10.0.0.1"],
    hostNetwork: false,
    endsByItself: false,
    finished: false,
    deletionMs: undefined,
    annotations: {},
    ...fields,
  };
}

/** The rules of a configuration with the roles `reader` and `writer`. */
export function rulesOf(more: string): RoleRules {
  const text = `
roles:
  reader: { arn: "${READER}" }
  writer: { arn: "arn:aws:iam::333333333333:role/writer" }
bases: { hub: { instance: true } }
listeners: [{ address: "127.0.0.1:0", pods: true }]
${more}`;
  const origin = { kind: "file", path: "test.yaml", settings: {} } as const;
  const config = parseConfig(origin, text, { flags: {}, environment: {}, hostname: "host" });
  return { ...config, annotations: config.kubernetes?.annotations ?? {} };
}
