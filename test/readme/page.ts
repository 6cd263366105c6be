/** @module The README as its tests read it: what is in fences, and what is `said in passing`. */
import { readFile } from "node:fs/promises";

export const README = await readFile(new URL("../../README.md", import.meta.url), "utf8");

interface Fence {
  readonly language: string;
  readonly text: string;
}

/** Every fenced block, in order. */
export function fencesIn(markdown: string): Fence[] {
  return [...markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(
    ([, language = "", text = ""]) => ({
      language,
      text,
    }),
  );
}

/** The blocks of one language. */
export function blocks(language: string): string[] {
  return fencesIn(README).flatMap((fence) => (fence.language === language ? [fence.text] : []));
}

/** Everything between backticks on a line of its own or two. */
export function inlineIn(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[^]*?^```$/gm, "");
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text.replaceAll(/\s+/g, " "));
}
