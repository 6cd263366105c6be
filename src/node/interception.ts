/** @module Interception of the metadata service's addresses on this node: looked at, made, and taken away. */
import { lookForAddresses, placeAddresses, removeAddresses } from "./link.ts";
import { differencesIn } from "./listing.ts";
import type { Listing } from "./listing.ts";
import {
  deleteExpectations,
  deleteTable,
  expectedListing,
  listTable,
  loadTable,
  readCounters,
} from "./nft.ts";
import type { Programs } from "./programs.ts";
import { GUARD, REDIRECT, guardTable, redirectTable, render } from "./rules.ts";
import type { Table } from "./rules.ts";
import type { Difference, Interception } from "./types.ts";

/** What has been learnt of how nft lists a table, by the text that was loaded. */
export type Expectations = Map<string, Listing>;

export interface Inspection {
  /** The device that has the listener's addresses, or should; absent with only the guard. */
  readonly device?: string;
  /** Empty when everything is in place. */
  readonly differences: readonly Difference[];
}

/** How this node differs from `wanted`. Changes nothing. */
export async function inspect(
  programs: Programs,
  wanted: Interception,
  expectations: Expectations = new Map(),
): Promise<Inspection> {
  const guard = compareTable(programs, expectations, "guard", guardTable(wanted));
  if (wanted.guardOnly) return { differences: await guard };
  const [guardDiffers, { device, differences }, redirectDiffers] = await Promise.all([
    guard,
    lookForAddresses(programs.ip, wanted),
    compareTable(programs, expectations, "redirect", redirectTable(wanted)),
  ]);
  return { device, differences: [...guardDiffers, ...differences, ...redirectDiffers] };
}

/**
 * Makes this node what `wanted` says, and changes only what differs: the guard before anything else,
 * and the redirect last, so that whatever fails leaves pods refused and never with the node's role.
 *
 * @returns how the node was before.
 * @throws {@link CrossroleError} `ERR_COMMAND_FAILED` that says what could not be made.
 */
export async function install(
  programs: Programs,
  wanted: Interception,
  expectations: Expectations = new Map(),
): Promise<Inspection> {
  const guard = await restoreTable(programs, expectations, "guard", guardTable(wanted));
  if (wanted.guardOnly) return { differences: guard };
  const placement = await lookForAddresses(programs.ip, wanted);
  const isPlaced = placement.differences.length === 0;
  const device = isPlaced ? placement.device : await placeAddresses(programs.ip, wanted);
  const redirect = await restoreTable(programs, expectations, "redirect", redirectTable(wanted));
  return { device, differences: [...guard, ...placement.differences, ...redirect] };
}

/**
 * Takes everything away: the redirect first, while the guard still refuses.
 *
 * @returns what there was, in words.
 * @throws {@link CrossroleError} `ERR_COMMAND_FAILED` that says what could not be removed.
 */
export async function uninstall(
  { nft, ip }: Programs,
  wanted: Pick<Interception, "device" | "listener" | "listener6">,
): Promise<string[]> {
  const redirect = await deleteTable(nft, REDIRECT);
  const addresses = await removeAddresses(ip, wanted);
  const guard = await deleteTable(nft, GUARD);
  await deleteExpectations(nft);
  return [
    ...(redirect ? [`table inet ${REDIRECT}`] : []),
    ...addresses,
    ...(guard ? [`table inet ${GUARD}`] : []),
  ];
}

/** Packets that were counted, by counter of both tables. */
export async function counters({ nft }: Programs): Promise<Record<string, number>> {
  const [guard, redirect] = await Promise.all([
    readCounters(nft, GUARD),
    readCounters(nft, REDIRECT),
  ]);
  return { ...redirect, ...guard };
}

async function restoreTable(
  programs: Programs,
  expectations: Expectations,
  part: Difference["part"],
  table: Table,
): Promise<readonly Difference[]> {
  const differences = await compareTable(programs, expectations, part, table);
  if (differences.length > 0) await loadTable(programs.nft, table);
  return differences;
}

async function compareTable(
  { nft }: Programs,
  expectations: Expectations,
  part: Difference["part"],
  table: Table,
): Promise<readonly Difference[]> {
  const present = await listTable(nft, table.name);
  if (present === undefined) return [{ part, what: `table inet ${table.name} is not loaded` }];
  const text = render(table);
  const expected = expectations.get(text) ?? (await expectedListing(nft, table));
  expectations.set(text, expected);
  return differencesIn(expected, present).map((what) => ({ part, what }));
}
