/** @module The table of clients in the README: what a run has proved, never what somebody wrote. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Reporter, TestModule, Vitest } from "vitest/node";

/** What a test has proved when it passes. */
export interface Proved {
  readonly client: string;
  readonly version: string;
  /** How the client found crossrole. */
  readonly way: string;
  readonly what: string;
  /** The same in a sentence about the client. */
  readonly sentence: string;
}

declare module "vitest" {
  interface TaskMeta {
    proved?: Proved;
  }
}

const README = path.join(import.meta.dirname, "../../README.md");
const SECTION = /(?<=<!-- clients:begin -->\n)[^]*?(?=<!-- clients:end -->)/;

export default class TableReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  /** Part of a run, or one with a failure, proves no table. */
  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    const isWhole = modules.length === (await this.#vitest?.globTestSpecifications())?.length;
    // Vitest begins with the file that took longest. Backwards, what is common to the clients comes
    // before what is one client's own.
    const tests = modules
      .toSorted((one, other) => (one.moduleId < other.moduleId ? 1 : -1))
      .flatMap((module) => [...module.children.allTests()]);
    if (!isWhole || tests.some((test) => test.result().state !== "passed")) return;
    await compare(sectionOf(tests.flatMap((test) => test.meta().proved ?? [])));
  }
}

async function compare(section: string): Promise<void> {
  const readme = await readFile(README, "utf8");
  const committed = SECTION.exec(readme)?.[0];
  if (committed === section) return;
  if (process.env["CROSSROLE_WRITE_TABLE"] === "1" && committed !== undefined) {
    await writeFile(
      README,
      readme.replace(SECTION, () => section),
    );
    return;
  }
  process.exitCode = 1;
  console.error(`the table of clients in README.md is not what this run has proved:\n\n${section}`);
  console.error("run it with CROSSROLE_WRITE_TABLE=1 to write it there");
}

const PROOF = `Every request of a client to S3 was signed with a key that STS had issued for the role, as its signature, made
again, shows; it carried that session token byte for byte, before its expiration, and was answered. curl signs
nothing: its document is byte for byte what STS had issued. What a client does in each case:`;

function sectionOf(proved: readonly Proved[]): string {
  const sentences = new Map(proved.map(({ what, sentence }) => [what, sentence]));
  const legend = [...sentences].map(([what, sentence]) => `- **${what}**: it ${sentence}`);
  return ["", ...rowsOf(proved), "", PROOF, "", ...legend, "", ""].join("\n");
}

/** A row for each client and way, in the order of the tests. */
function rowsOf(proved: readonly Proved[]): string[] {
  const clients = Map.groupBy(proved, ({ client, version }) => `${client} | ${version}`);
  const rows = [...clients].flatMap(([client, ofClient]) => {
    const ways = Map.groupBy(ofClient, ({ way }) => way);
    return [...ways].map(([way, ofWay], index) => {
      const name = index === 0 ? client : " | ";
      return `| ${name} | ${way} | ${ofWay.map(({ what }) => what).join(", ")} |`;
    });
  });
  return ["| client | version | finds crossrole by | proved |", "|---|---|---|---|", ...rows];
}
