/** @module Addresses for a ruleset: parsed here, at the border, so that nothing else can get into one. */
import { BlockList, SocketAddress, isIP } from "node:net";
import { CrossroleError } from "../errors.ts";
import type { ListenerAddress } from "./types.ts";

/** The metadata service's own addresses: a listener there would be redirected to itself. */
export const METADATA_ADDRESS = "169.254.169.254";
export const METADATA_ADDRESS_6 = "fd00:ec2::254";

/**
 * EKS Pod Identity's addresses.
 *
 * @see https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
 */
export const POD_IDENTITY_ADDRESS = "169.254.170.23";
export const POD_IDENTITY_ADDRESS_6 = "fd00:ec2::23";

const RESERVED = new Set([
  METADATA_ADDRESS,
  METADATA_ADDRESS_6,
  POD_IDENTITY_ADDRESS,
  POD_IDENTITY_ADDRESS_6,
]);

/** Addresses that a packet of a pod cannot be sent on to. One list each: a list takes ::ffff: for IPv4. */
const UNUSABLE = { ipv4: new BlockList(), ipv6: new BlockList() };
UNUSABLE.ipv4.addSubnet("0.0.0.0", 8);
UNUSABLE.ipv4.addSubnet("127.0.0.0", 8);
UNUSABLE.ipv4.addSubnet("224.0.0.0", 3);
UNUSABLE.ipv6.addSubnet("::", 127, "ipv6");
UNUSABLE.ipv6.addSubnet("::ffff:0:0", 96, "ipv6");
UNUSABLE.ipv6.addSubnet("fe80::", 10, "ipv6");
UNUSABLE.ipv6.addSubnet("ff00::", 8, "ipv6");

/**
 * `HOST:PORT`, or `[HOST]:PORT` for IPv6, of the option called `name`.
 *
 * @throws {@link CrossroleError} `ERR_USAGE` that says which rule is broken.
 */
export function parseListener(name: string, text: string, version: 4 | 6): ListenerAddress {
  const [, bracketed, plain, digits] = /^(?:\[(.*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = version === 4 ? plain : bracketed;
  const example = version === 4 ? "169.254.171.254:51679" : "[fd00:ec2:fa11::254]:51679";
  if (host === undefined || isIP(host) !== version || host.includes("%")) {
    throw usage(`${name} must be an IPv${version} address and a port, like ${example}`, text);
  }
  const port = Number(digits);
  if (port < 1 || port > 65_535) throw usage(`${name} must have a port from 1 to 65535`, text);
  const family = version === 4 ? "ipv4" : "ipv6";
  const { address } = new SocketAddress({ address: host, family });
  if (RESERVED.has(address)) {
    throw usage(`${name} must not be an address that is redirected to it`, text);
  }
  if (UNUSABLE[family].check(address, family)) {
    throw usage(
      `${name} must be an address that pods can be sent to: not loopback, multicast or scoped`,
      text,
    );
  }
  return { address, port };
}

function usage(rule: string, text: string): CrossroleError {
  return new CrossroleError("ERR_USAGE", `${rule}; it is ${JSON.stringify(text)}`);
}
