/** @module What is asked of nft. */
import { createHash } from "node:crypto";
import { failure } from "./programs.ts";
import type { Run } from "./programs.ts";
import { render, renderInert } from "./rules.ts";
import type { Table } from "./rules.ts";
import { parseListing, withHooks } from "./listing.ts";
import type { Listing } from "./listing.ts";

/** Tables that hold an expectation while it is read begin so. */
const EXPECTED_PREFIX = "crossrole_expected_";
/** Another process may take away the same expectation in the same millisecond. */
const ATTEMPTS = 5;

const MISSING = /no such file or directory/i;

/**
 * Makes `table` what it should be, in one transaction: there is no moment without it.
 *
 * @throws {@link CrossroleError} `ERR_COMMAND_FAILED`; then nothing has changed.
 */
export async function loadTable(nft: Run, table: Table): Promise<void> {
  // As an argument: nft cannot open its standard input when that is a socket, as Node's pipes are.
  const output = await nft("--", render(table));
  if (output.code !== 0) throw failure("nft", `cannot load table inet ${table.name}`, output);
}

/** What is loaded as `name`; absent when there is no such table. */
export async function listTable(nft: Run, name: string): Promise<Listing | undefined> {
  // Without what changes by itself: handles and the values of counters.
  const output = await nft("--stateless", "--numeric-priority", "list", "table", "inet", name);
  if (output.code === 0) return parseListing(output.stdout);
  if (MISSING.test(output.stderr)) return undefined;
  throw failure("nft", `cannot list table inet ${name}`, output);
}

/** @returns whether there was one. */
export async function deleteTable(nft: Run, name: string): Promise<boolean> {
  const output = await nft("delete", "table", "inet", name);
  if (output.code === 0) return true;
  if (MISSING.test(output.stderr)) return false;
  throw failure("nft", `cannot delete table inet ${name}`, output);
}

/**
 * How this nft lists `table` when it is what it should be. nft writes a rule in its own words, which
 * change with its version: so the rules are loaded, where no packet meets them, and listed.
 */
export async function expectedListing(nft: Run, table: Table): Promise<Listing> {
  const hash = createHash("sha256").update(render(table)).digest("hex").slice(0, 12);
  // The same name for the same rules: what a killed process leaves is found again and taken away.
  const name = `${EXPECTED_PREFIX}${hash}`;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const output = await nft("--", renderInert(table, name));
    if (output.code !== 0) throw failure("nft", `cannot compare table inet ${table.name}`, output);
    const listing = await listTable(nft, name);
    await deleteTable(nft, name);
    if (listing !== undefined) return withHooks(listing, table);
  }
  throw failure("nft", `cannot compare table inet ${table.name}`, {
    code: 1,
    stdout: "",
    stderr: `somebody deletes table inet ${name}`,
  });
}

/** Takes away expectations that killed processes have left. */
export async function deleteExpectations(nft: Run): Promise<void> {
  const output = await nft("list", "tables", "inet");
  if (output.code !== 0) throw failure("nft", "cannot list the tables", output);
  const names = output.stdout.match(new RegExp(`\\b${EXPECTED_PREFIX}\\w+`, "g")) ?? [];
  for (const name of names) await deleteTable(nft, name);
}

/** Packets by counter; empty when there is no such table. */
export async function readCounters(nft: Run, name: string): Promise<Record<string, number>> {
  // Not `list counters`: for that nft reads every rule of the node.
  const { code, stdout } = await nft("list", "table", "inet", name);
  if (code !== 0) return {};
  const found = stdout.matchAll(/^\tcounter (\w+) \{[^}]*?\bpackets (\d+)/gm);
  return Object.fromEntries([...found].map(([, counter, packets]) => [counter, Number(packets)]));
}
