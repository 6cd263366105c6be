/** @module `crossrole status`: the roles of a running daemon. */
import { setTimeout as delay } from "node:timers/promises";
import { styleText } from "node:util";
import type { Command } from "commander";
import type { Config } from "../config/types.ts";
import { CrossroleError, messageOf } from "../errors.ts";
import { bracketed } from "../http/guard.ts";
import { statusLines } from "../operations/status-text.ts";
import type { StatusLine } from "../operations/status-text.ts";
import type { StatusReport } from "../operations/status.ts";
import { examples } from "./help.ts";
import { load } from "./options.ts";
import { fetchStatus, watchStatus } from "./status-client.ts";

interface StatusFlags {
  readonly config?: string;
  readonly url?: string;
  readonly watch?: boolean;
  readonly json?: boolean;
}

/** How long to wait for a daemon that has gone: it is being restarted, say. */
const RETRY_MS = 1_000;

const HOME_AND_ERASE = "\u001B[H\u001B[J";

export function statusCommand(parent: Command): void {
  parent
    .command("status")
    .description("show the roles of a running daemon; exit 1 when something is not right")
    .option("--url <url>", "its operations address; default: the one in the configuration file")
    .option("-c, --config <file>", "configuration file (CROSSROLE_CONFIG)")
    .option("--watch", "go on until Ctrl-C, and show each change")
    .option("--json", "print the status as JSON; with --watch a line for each change")
    .addHelpText(
      "after",
      examples(
        "crossrole status",
        "crossrole status --url http://127.0.0.1:9910 --watch",
        "crossrole status --json | jq -r '.roles[] | select(.state != \"ok\").name'",
      ),
    )
    .action(status);
}

async function status({ url, watch = false, json = false, ...flags }: StatusFlags): Promise<void> {
  const from = url === undefined ? addressIn((await load(flags)).config) : urlIn(url);
  if (watch) {
    await follow(from, json);
    return;
  }
  const report = await fetchStatus(from);
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : textOf(report));
  if (report.problems.length > 0) process.exitCode = 1;
}

/** Until a signal or the end of its reader ends it: a daemon that goes away is waited for. */
async function follow(from: URL, json: boolean): Promise<never> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // `| head` has what it wanted: there is nobody to go on for.
    if (error.code === "EPIPE") process.exit(0);
  });
  const isLive = process.stdout.isTTY && process.env["TERM"] !== "dumb" && !json;
  for (;;) {
    try {
      for await (const report of watchStatus(from)) {
        const shown = json ? `${JSON.stringify(report)}\n` : textOf(report, isLive);
        process.stdout.write(isLive ? HOME_AND_ERASE + shown : shown);
      }
      tell(`${from.origin} has ended`);
    } catch (error) {
      tell(messageOf(error));
    }
    await delay(RETRY_MS);
  }
}

function tell(what: string): void {
  process.stderr.write(`crossrole: ${what}; trying again\n`);
}

function textOf(report: StatusReport, fits = false): string {
  const lines = statusLines(report);
  const rows = fits ? process.stdout.rows - 1 : Infinity;
  const shown = lines.length > rows ? lines.slice(0, rows - 1) : lines;
  const left = lines.length - shown.length;
  const more: StatusLine[] = left === 0 ? [] : [{ text: `… ${left} more lines`, tone: "faint" }];
  return [...shown, ...more].map((line) => `${painted(line)}\n`).join("");
}

const STYLES = {
  plain: "reset",
  faint: "dim",
  strong: "bold",
  good: "green",
  warning: "yellow",
  bad: "red",
} as const satisfies Record<StatusLine["tone"], string>;

function painted({ text, tone }: StatusLine): string {
  // It heeds NO_COLOR, and that a pipe has no colours.
  return tone === "plain" || text === ""
    ? text
    : styleText(STYLES[tone], text, { stream: process.stdout });
}

function addressIn({ operations }: Config): URL {
  if (operations === undefined || operations.port === 0) {
    const message =
      "the configuration has no operations address with a port: add operations, or say --url URL";
    throw new CrossroleError("ERR_USAGE", message);
  }
  const { host, port } = operations;
  // Whoever listens everywhere is here as well.
  const near = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  return new URL(`http://${bracketed(near)}:${port}`);
}

function urlIn(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "http:") return url;
  const message = `--url is ${JSON.stringify(text)}; say http://HOST:PORT`;
  throw new CrossroleError("ERR_USAGE", message);
}
