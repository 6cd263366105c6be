/** @module The device that holds the listener's addresses. */
import { CrossroleError } from "../errors.ts";
import { failure } from "./programs.ts";
import type { Run } from "./programs.ts";
import type { Difference, Interception } from "./types.ts";

/** Where addresses are when the kernel has no dummy devices. Cilium with BPF routing wants a dummy. */
const LOOPBACK = "lo";

type Wanted = Pick<Interception, "device" | "listener" | "listener6">;

/** What of `ip -json -details address` is looked at. */
interface Device {
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info: readonly {
    readonly local?: string;
    readonly prefixlen?: number;
    readonly scope?: string;
    /** Never taken for a source address when there is another. */
    readonly deprecated?: boolean;
  }[];
}

export interface Placement {
  /** The device that has the addresses, or should. */
  readonly device: string;
  readonly differences: readonly Difference[];
}

/** Whether the listener's addresses are where they should be. */
export async function lookForAddresses(ip: Run, wanted: Wanted): Promise<Placement> {
  const own = await readDevice(ip, wanted.device);
  const device = own === undefined ? LOOPBACK : wanted.device;
  const found = own ?? (await readDevice(ip, LOOPBACK));
  const isUp = found?.flags.includes("UP") ?? false;
  const down: Difference = { part: "address", what: `device ${device} is down` };
  const missing = addressesOf(wanted)
    .filter((address) => !has(found, address))
    .map(({ cidr }): Difference => ({ part: "address", what: `${cidr} is not on ${device}` }));
  return { device, differences: [...(isUp ? [] : [down]), ...missing] };
}

/**
 * Makes the device, when the kernel has such devices, and gives it the addresses.
 *
 * @returns the device that has them.
 * @throws {@link CrossroleError} `ERR_COMMAND_FAILED` that says which could not be made.
 */
export async function placeAddresses(ip: Run, wanted: Wanted): Promise<string> {
  const device = await makeDevice(ip, wanted.device);
  const up = await ip("link", "set", "dev", device, "up");
  if (up.code !== 0) throw failure("ip", `cannot set ${device} up`, up);
  for (const { family, cidr, options } of addressesOf(wanted)) {
    const output = await ip(family, "address", "replace", cidr, "dev", device, ...options);
    if (output.code === 0) continue;
    const hint = family === "-6" ? " (on a node without IPv6 give --no-ipv6)" : "";
    throw failure("ip", `cannot give ${cidr} to ${device}${hint}`, output);
  }
  return device;
}

/** @returns what it has removed, in words. */
export async function removeAddresses(ip: Run, wanted: Wanted): Promise<string[]> {
  const removed: string[] = [];
  const own = await readDevice(ip, wanted.device);
  if (own?.linkinfo?.info_kind === "dummy") {
    const output = await ip("link", "delete", "dev", wanted.device);
    if (output.code !== 0) throw failure("ip", `cannot remove ${wanted.device}`, output);
    removed.push(`device ${wanted.device}`);
  }
  const loopback = await readDevice(ip, LOOPBACK);
  for (const { family, cidr } of addressesOf(wanted)) {
    if (!has(loopback, { cidr })) continue;
    const output = await ip(family, "address", "delete", cidr, "dev", LOOPBACK);
    if (output.code !== 0) throw failure("ip", `cannot take ${cidr} from ${LOOPBACK}`, output);
    removed.push(`${cidr} on ${LOOPBACK}`);
  }
  return removed;
}

async function makeDevice(ip: Run, name: string): Promise<string> {
  const present = await readDevice(ip, name);
  if (present !== undefined) {
    if (present.linkinfo?.info_kind === "dummy" || name === LOOPBACK) return name;
    throw new CrossroleError(
      "ERR_COMMAND_FAILED",
      `device ${name} is there already and is no dummy device: choose another name with --interface`,
    );
  }
  const output = await ip("link", "add", "dev", name, "type", "dummy");
  if (output.code === 0) return name;
  if (/unknown device type|not supported/i.test(output.stderr)) return LOOPBACK;
  // Somebody else was as quick.
  if (/file exists/i.test(output.stderr)) return name;
  throw failure("ip", `cannot make the dummy device ${name}`, output);
}

async function readDevice(ip: Run, name: string): Promise<Device | undefined> {
  const output = await ip("-json", "-details", "address", "show", "dev", name);
  if (output.code === 0) {
    const [device]: readonly (Device | undefined)[] = JSON.parse(output.stdout);
    return device;
  }
  if (/does not exist/i.test(output.stderr)) return undefined;
  throw failure("ip", `cannot look at ${name}`, output);
}

function has(device: Device | undefined, wanted: Partial<Address>): boolean {
  const { cidr, scope, deprecated } = wanted;
  return (
    device?.addr_info.some(
      (own) =>
        `${own.local}/${own.prefixlen}` === cidr &&
        (scope === undefined || own.scope === scope) &&
        (deprecated === undefined || (own.deprecated ?? false) === deprecated),
    ) ?? false
  );
}

interface Address {
  readonly family: "-4" | "-6";
  readonly cidr: string;
  readonly scope: string;
  readonly deprecated: boolean;
  readonly options: readonly string[];
}

/** The node must never take one for a source address: pods have no way to answer it. */
function addressesOf({ listener, listener6 }: Wanted): Address[] {
  const first: Address = {
    family: "-4",
    cidr: `${listener.address}/32`,
    scope: "link",
    deprecated: false,
    options: ["scope", "link"],
  };
  if (listener6 === undefined) return [first];
  // Of the same scope as every other, so a deprecated one. No detection of duplicates: it would be late.
  const second: Address = {
    family: "-6",
    cidr: `${listener6.address}/128`,
    scope: "global",
    deprecated: true,
    options: ["nodad", "preferred_lft", "0"],
  };
  return [first, second];
}
