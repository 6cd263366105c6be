/** @module The two tables of nftables, as data and as text. No I/O. */
import {
  METADATA_ADDRESS,
  METADATA_ADDRESS_6,
  POD_IDENTITY_ADDRESS,
  POD_IDENTITY_ADDRESS_6,
} from "./addresses.ts";
import type { Cgroup, HostNetworkPods, Interception, ListenerAddress } from "./types.ts";

/** What no pod may reach but through the redirect. It stays when the daemon stops. */
export const GUARD = "crossrole_guard";
/** What brings a pod's request to the daemon. */
export const REDIRECT = "crossrole_nat";

export interface Chain {
  readonly name: string;
  /** The line that ties the chain to the kernel, as nft lists it with `--numeric-priority`. */
  readonly hook: string;
  readonly rules: readonly string[];
}

/** A table of the family `inet`. */
export interface Table {
  readonly name: string;
  readonly counters: readonly string[];
  readonly chains: readonly Chain[];
}

/**
 * Before every filter of others: what one of them accepts has been refused here already. And after
 * every DNAT, in the hooks that have one: what still is for the metadata service was not redirected.
 */
const BEFORE_FILTERS = -10;
/** Before kube-proxy's and the CNI's DNAT, which are at -100. */
const BEFORE_DNAT = -110;
/** Before connection tracking. */
const RAW = -300;

/** One version of the Internet protocol, in nft's words. */
interface Version {
  readonly ip: "ip" | "ip6";
  readonly suffix: "4" | "6";
  readonly icmp: "icmp" | "icmpv6";
  readonly metadata: string;
  readonly podIdentity: string;
  readonly listener: ListenerAddress | undefined;
}

/**
 * Pods' packets for the real metadata service must cross the node's `forward` hook, and the node's own
 * use `output`: so the guard needs no names of interfaces, knows no CNI, and never hurts the node.
 */
export function guardTable(wanted: Interception): Table {
  const versions = versionsOf(wanted);
  const { hostNetwork, antiSpoof, direct } = wanted;
  const chains: Chain[] = [
    chain(
      "forward",
      "filter",
      "forward",
      BEFORE_FILTERS,
      versions.flatMap((v) => refuseForwarded(v, wanted)),
    ),
    chain("input", "filter", "input", BEFORE_FILTERS, [
      'iif "lo" accept',
      ...(direct ? [] : versions.flatMap(refuseDirect)),
    ]),
  ];
  if (hostNetwork !== undefined) {
    const rules = versions.flatMap((version) => refuseHostNetwork(version, hostNetwork, wanted));
    chains.push(chain("output", "filter", "output", BEFORE_FILTERS, rules));
  }
  if (antiSpoof) {
    const rules = ['iif "lo" accept', ...versions.flatMap((v) => dropSpoofed(v, wanted))];
    chains.push(chain("prerouting", "filter", "prerouting", RAW, rules));
  }
  const kinds = ["leaks", "direct", ...(antiSpoof ? ["spoofed"] : [])];
  return { name: GUARD, counters: counted(kinds, versions), chains };
}

/** To an address of the node: `redirect` would need one on the interface the packet came in by. */
export function redirectTable(wanted: Interception): Table {
  const versions = versionsOf(wanted);
  const { hostNetwork } = wanted;
  const redirects = versions.flatMap((version) => redirectsOf(version, wanted));
  const chains: Chain[] = [
    chain("prerouting", "nat", "prerouting", BEFORE_DNAT, ['iif "lo" return', ...redirects]),
  ];
  if (hostNetwork !== undefined) {
    const rules = versions.flatMap((version) => [
      ...leaveAlone(version, hostNetwork, wanted),
      ...redirectsOf(version, wanted, matching(hostNetwork.pods)),
    ]);
    chains.push(chain("output", "nat", "output", BEFORE_DNAT, rules));
  }
  return { name: REDIRECT, counters: counted(["hits"], versions), chains };
}

/** Text that makes `table` what it should be, in one transaction, whether or not there is one. */
export function render(table: Table): string {
  return text(table, table.name, ({ hook, rules }) => [hook, ...rules]);
}

/** The same rules in a table called `name` that no packet ever meets. */
export function renderInert(table: Table, name: string): string {
  return text(table, name, ({ rules }) => rules);
}

function text(table: Table, name: string, linesOf: (chain: Chain) => readonly string[]): string {
  const blocks = table.chains.flatMap((one) => [
    `  chain ${one.name} {`,
    ...linesOf(one).map((line) => `    ${line}`),
    "  }",
  ]);
  const counters = table.counters.flatMap((counter) => [`  counter ${counter} {`, "  }"]);
  const head = [`table inet ${name}`, `delete table inet ${name}`, `table inet ${name} {`];
  return [...head, ...counters, ...blocks, "}", ""].join("\n");
}

/** Both, even without IPv6: the guard costs nothing, and an address may come later. */
function versionsOf({ listener, listener6 }: Interception): readonly [Version, Version] {
  return [
    {
      ip: "ip",
      suffix: "4",
      icmp: "icmp",
      metadata: METADATA_ADDRESS,
      podIdentity: POD_IDENTITY_ADDRESS,
      listener,
    },
    {
      ip: "ip6",
      suffix: "6",
      icmp: "icmpv6",
      metadata: METADATA_ADDRESS_6,
      podIdentity: POD_IDENTITY_ADDRESS_6,
      listener: listener6,
    },
  ];
}

/** What of an Internet protocol is the daemon's to answer. */
function askedIn({ metadata, podIdentity }: Version, wanted: Interception): string[] {
  return [metadata, ...(wanted.podIdentity ? [podIdentity] : [])];
}

/** And not the listener's address either: it is forwarded when the node has lost it. */
function refuseForwarded(version: Version, wanted: Interception): string[] {
  const { ip, listener } = version;
  const lost = listener === undefined ? [] : refusal(version, `${ip} daddr ${listener.address}`);
  const asked = askedIn(version, wanted).flatMap((address) =>
    refusal(version, `${ip} daddr ${address}`, "leaks"),
  );
  return [...asked, ...lost];
}

function refuseHostNetwork(
  version: Version,
  hostNetwork: HostNetworkPods,
  wanted: Interception,
): string[] {
  const refusals = askedIn(version, wanted).flatMap((address) =>
    refusal(version, `${version.ip} daddr ${address} ${matching(hostNetwork.pods)}`, "leaks"),
  );
  return [...leaveAlone(version, hostNetwork, wanted), ...refusals];
}

/** The daemon's own way to the real metadata service. The address first: it is cheaper to look at. */
function leaveAlone(version: Version, { excluded }: HostNetworkPods, wanted: Interception) {
  return askedIn(version, wanted).flatMap((address) =>
    excluded.map((group) => `${version.ip} daddr ${address} ${matching(group)} accept`),
  );
}

/** A reset ends a connection that was opened before there were rules, and one that is being opened. */
function refusal({ suffix, icmp }: Version, match: string, counter?: string): string[] {
  const counting = counter === undefined ? "" : `counter name "${counter}${suffix}" `;
  return [
    `${match} ${counting}meta l4proto tcp reject with tcp reset`,
    `${match} reject with ${icmp} type admin-prohibited`,
  ];
}

/** The listener is for what has been redirected: nobody else on the network is to find it. */
function refuseDirect(version: Version): string[] {
  const { ip, listener } = version;
  if (listener === undefined) return [];
  return refusal(version, `${ip} daddr ${listener.address} ct status & dnat == 0`, "direct");
}

function dropSpoofed(version: Version, wanted: Interception): string[] {
  const { ip, suffix, listener } = version;
  const own = wanted.direct && listener !== undefined ? [listener.address] : [];
  return [...askedIn(version, wanted), ...own].map(
    (address) =>
      `${ip} daddr ${address} fib saddr . iif oif missing counter name "spoofed${suffix}" drop`,
  );
}

function redirectsOf(version: Version, wanted: Interception, match = ""): string[] {
  const { ip, suffix, listener } = version;
  if (listener === undefined) return [];
  const { address, port } = listener;
  const target = ip === "ip" ? `${address}:${port}` : `[${address}]:${port}`;
  const from = match === "" ? "" : `${match} `;
  return askedIn(version, wanted).map(
    (asked) =>
      `${ip} daddr ${asked} tcp dport 80 ${from}counter name "hits${suffix}" dnat ${ip} to ${target}`,
  );
}

function matching({ path, level }: Cgroup): string {
  return `socket cgroupv2 level ${level} "${path}"`;
}

function chain(
  name: string,
  type: "filter" | "nat",
  hook: string,
  priority: number,
  rules: readonly string[],
): Chain {
  return { name, hook: `type ${type} hook ${hook} priority ${priority}; policy accept;`, rules };
}

function counted(kinds: readonly string[], versions: readonly Version[]): string[] {
  return kinds.flatMap((kind) => versions.map(({ suffix }) => `${kind}${suffix}`));
}
