/** @module Where the picture is drawn: a terminal with a line that lives at its bottom, or plain lines. */
import { styleText } from "node:util";
import type { Line } from "./picture.ts";

export interface ScreenOptions {
  readonly write: (text: string) => void;
  /** A terminal on which a line can be drawn over. */
  readonly isLive: boolean;
  readonly hasColour: boolean;
  /** The width of the terminal. */
  readonly columns: () => number;
}

const STYLES = {
  plain: "reset",
  faint: "dim",
  strong: "bold",
  good: "green",
  warning: "yellow",
  bad: "red",
} as const satisfies Record<Line["tone"], string>;

/** Back to the first column, and the line erased. */
const ERASE = "\r\u001B[2K";

export class Screen {
  readonly #options: ScreenOptions;
  #status: Line | undefined;

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  get isLive(): boolean {
    return this.#options.isLive;
  }

  /** Appends a line for good, above the one that lives. */
  print(line: Line): void {
    const erase = this.#status === undefined ? "" : ERASE;
    const status = this.#status === undefined ? "" : this.#cut(this.#status);
    this.#options.write(`${erase}${this.#painted(line)}\n${status}`);
  }

  /** Draws the line that lives; on what is no terminal, nothing. */
  status(line: Line | undefined): void {
    if (!this.isLive) return;
    const was = this.#status;
    this.#status = line;
    if (line !== undefined) this.#options.write(ERASE + this.#cut(line));
    else if (was !== undefined) this.#options.write(ERASE);
  }

  /** A line that wraps could not be erased. */
  #cut({ text, tone }: Line): string {
    return this.#painted({ text: text.slice(0, this.#options.columns() - 1), tone });
  }

  #painted({ text, tone }: Line): string {
    if (!this.#options.hasColour || tone === "plain") return text;
    return styleText(STYLES[tone], text, { validateStream: false });
  }
}
