/** @module `crossrole demo`: the main job on one machine, with no AWS account. */
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import type { DemoEvent } from "../demo/events.ts";
import { header, isNewKey, lineOf, statusLine, strong } from "../demo/picture.ts";
import { Screen } from "../demo/screen.ts";
import { isOver, outageStep } from "../demo/script.ts";
import { Stage } from "../demo/stage.ts";
import { promisesBroken, summary } from "../demo/summary.ts";
import { emptyTally, tallied } from "../demo/tally.ts";
import { CrossroleError } from "../errors.ts";
import { examples } from "./help.ts";

const SIGNAL_BASE = 128;
const TICK_MS = 100;

/** What a child needs of this process's environment; no variable of AWS's is among it. */
const KEPT = ["PATH", "SystemRoot", "TEMP", "TMP", "TMPDIR"] as const;

export function demoCommand(parent: Command): void {
  parent
    .command("demo")
    .description(
      "show it all on this machine in 40 s: an STS of the demo's own, crossrole, an application",
    )
    .option("--stay", "go on until Ctrl-C")
    .addHelpText("after", examples("crossrole demo", "crossrole demo --stay"))
    .action(async ({ stay }: { readonly stay?: boolean }) => {
      process.exitCode = await new Demo(stay ?? false).run();
    });
}

class Demo {
  readonly #stays: boolean;
  readonly #screen = screenOf(process.stdout);
  readonly #stage: Stage;
  readonly #over = Promise.withResolvers<void>();
  #tally = emptyTally(Date.now());
  #isShown = false;

  constructor(stays: boolean) {
    this.#stays = stays;
    this.#stage = new Stage({
      node: process.execPath,
      main: process.argv[1] ?? "",
      client: modulePath("demo/client"),
      environment: keptEnvironment(),
      onEvent: (event) => this.#show(event),
    });
  }

  /** @returns the exit code. @throws {@link CrossroleError} when a promise was not kept. */
  async run(): Promise<number> {
    const interrupted = untilInterrupted();
    process.once("exit", () => this.#stage.kill());
    for (const line of header()) this.#screen.print(line);
    let signal: NodeJS.Signals | undefined;
    const timer = setInterval(() => this.#tick(), TICK_MS);
    try {
      await this.#stage.start();
      const over = this.#over.promise.then(() => undefined);
      signal = await Promise.race([interrupted, over, this.#stage.failure]);
    } finally {
      clearInterval(timer);
      this.#screen.status(undefined);
      await this.#stage.end();
    }
    return this.#conclude(signal);
  }

  #tick(): void {
    const now = Date.now();
    const step = outageStep(this.#tally, now);
    if (step !== undefined) {
      this.#stage.setDown(step === "stsDown");
      this.#show({ type: step, atMs: now });
    }
    this.#screen.status(statusLine(this.#tally, now));
    if (this.#isShown || !isOver(this.#tally, now)) return;
    this.#isShown = true;
    if (this.#stays) this.#screen.print(strong("That was all; it goes on until Ctrl-C."));
    else this.#over.resolve();
  }

  /** On a terminal the line at the bottom tells of ordinary requests. */
  #show(event: DemoEvent): void {
    const isOrdinary = event.type === "requested" && !isNewKey(event, this.#tally);
    const line = this.#screen.isLive && isOrdinary ? undefined : lineOf(event, this.#tally);
    if (line !== undefined) this.#screen.print(line);
    this.#tally = tallied(this.#tally, event);
  }

  #conclude(signal: NodeJS.Signals | undefined): number {
    const broken = promisesBroken(this.#tally);
    this.#screen.print(strong(""));
    for (const text of summary(this.#tally, Date.now()))
      this.#screen.print({ text, tone: "plain" });
    const wasCutShort = signal !== undefined && !(this.#stays && this.#isShown);
    if (wasCutShort) return SIGNAL_BASE + constants.signals[signal];
    if (broken.length > 0) {
      const message = `the demo did not show what it promises: ${broken.join("; ")}`;
      throw new CrossroleError("ERR_COMMAND_FAILED", message);
    }
    this.#screen.print({ text: "The app has noticed nothing of all this.", tone: "good" });
    return 0;
  }
}

/** A module of this program, in whatever it is run from: the sources, dist, or an installed package. */
function modulePath(name: string): string {
  const extension = path.extname(import.meta.url);
  return fileURLToPath(new URL(`../${name}${extension}`, import.meta.url));
}

/** Resolves at the first signal. A second one, such as npm's beside the terminal's, changes nothing. */
function untilInterrupted(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, resolve);
    // Whoever read the picture (`head`, say) has gone.
    process.stdout.on("error", () => resolve("SIGPIPE"));
  });
}

function screenOf(stdout: NodeJS.WriteStream): Screen {
  const isLive = stdout.isTTY && process.env["TERM"] !== "dumb";
  return new Screen({
    write: (text) => void stdout.write(text),
    isLive,
    hasColour: isLive && stdout.hasColors(),
    columns: () => stdout.columns || 80,
  });
}

function keptEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
