/**
 * @module `npm run bench`: crossrole as it is shipped against a bare node:http server, or against another
 * commit, in one run, on one machine. It fails when something is broken, never for a bar that is missed.
 */
import { writeFile } from "node:fs/promises";
import { UsageError, parseArguments } from "./arguments.ts";
import type { Arguments } from "./arguments.ts";
import { undoAtExit } from "./cleanup.ts";
import { chooseCores } from "./cores.ts";
import { machineFacts, machineText } from "./machine.ts";
import { MEASURES } from "./measures.ts";
import { bundleOf, bundleOfCommit } from "./programs.ts";
import type { Row } from "./row.ts";
import { Scene } from "./scene.ts";
import { comparison, json, table } from "./table.ts";
import type { Measured } from "./table.ts";

const FAILED = 1;
const USAGE = 2;

undoAtExit();
try {
  process.exitCode = await main(parseArguments(process.argv.slice(2), MEASURES));
} catch (error) {
  process.stderr.write(`bench: ${textOf(error)}\n`);
  process.exitCode = error instanceof UsageError ? USAGE : FAILED;
}

async function main({ only, json: file, against }: Arguments): Promise<number> {
  using older = against === undefined ? undefined : await bundleOfCommit(against);
  const program = await bundleOf();
  const cores = chooseCores();
  const facts = { ...machineFacts(cores), against: older?.commit ?? null };
  process.stdout.write(`${machineText(facts)}\n`);
  const measured: Measured[] = [];
  for (const { name, run } of MEASURES.filter((one) => only.includes(one.name))) {
    process.stderr.write(`bench: ${name}\n`);
    await using scene = await Scene.open({ program, older, cores });
    const one = await measuredBy(name, () => run(scene));
    measured.push(older === undefined ? one : { ...one, rows: one.rows.map(withoutBar) });
  }
  const text = older === undefined ? table(measured) : comparison(measured, older.commit);
  process.stdout.write(`\n${text}`);
  if (file !== undefined) await writeFile(file, json(measured, facts));
  return measured.some(({ error }) => error !== undefined) ? FAILED : 0;
}

/** The bars are for what is compared with the bare server. */
function withoutBar(row: Row): Row {
  return { ...row, bar: undefined };
}

/** What is broken in one does not keep the others from being measured. */
async function measuredBy(
  measure: string,
  run: () => Promise<Measured["rows"]>,
): Promise<Measured> {
  try {
    return { measure, rows: await run() };
  } catch (error) {
    const message = textOf(error);
    process.stderr.write(`bench: ${measure} is broken: ${message}\n`);
    return { measure, rows: [], error: message };
  }
}

/** What went wrong, and what went wrong in consequence. */
function textOf(error: unknown): string {
  if (error instanceof SuppressedError)
    return `${textOf(error.suppressed)}; ${textOf(error.error)}`;
  return error instanceof Error ? error.message : String(error);
}
