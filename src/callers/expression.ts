/** @module Regular expressions whose time is bounded by the lengths of pattern and text: whoever owns a namespace writes them. */

/** What is left of a pattern once its repetitions are written out. */
const MAX_STEPS = 4_000;

/** Repetitions that are counted: `{n,m}`. */
const MAX_COUNT = 64;

/** An automaton: where it can be, and where it can go from there. */
type State =
  | { readonly kind: "one"; readonly fits: (character: string) => boolean; readonly next: State }
  | { readonly kind: "any"; readonly next: State[] }
  | { readonly kind: "begin" | "end"; readonly next: State }
  | { readonly kind: "accept" };

const ACCEPT: State = { kind: "accept" };

/** The state in which a part begins that is followed by `next`. */
type Part = (next: State) => State;

/** Whether a text fits: as a whole, or anywhere in it. */
export type Expression = (text: string, where: "whole" | "anywhere") => boolean;

/**
 * The expression `pattern`, or undefined when it is none, is too large, or has what an automaton
 * cannot do (a look around, a back reference) or Go and JavaScript read differently.
 *
 * Go's expressions, which kiam takes, run in linear time, and JavaScript's need not: `(a|a)(a|a)…`
 * doubles with each group and has no repetition that one could forbid. So they are run as Go does it,
 * by an automaton that is in all of its states at once.
 */
export function expressionOf(pattern: string): Expression | undefined {
  try {
    const start = new Parser(pattern).whole()(ACCEPT);
    return (text, where) => fits(start, text, where === "anywhere");
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function fits(start: State, text: string, isAnywhere: boolean): boolean {
  let states = reached([start], 0, text.length);
  for (let at = 0; at < text.length; at++) {
    if (isAnywhere && states.has(ACCEPT)) return true;
    const next: State[] = isAnywhere ? [start] : [];
    const character = text[at] ?? "";
    for (const state of states) {
      if (state.kind === "one" && state.fits(character)) next.push(state.next);
    }
    states = reached(next, at + 1, text.length);
  }
  return states.has(ACCEPT);
}

/** What can be reached from `states` without a character; each state once, however many ways lead to it. */
function reached(states: readonly State[], at: number, length: number): Set<State> {
  const all = new Set(states);
  // A set goes on to what is added while it is gone through.
  for (const state of all) {
    if (state.kind === "any") for (const next of state.next) all.add(next);
    if (state.kind === "begin" && at === 0) all.add(state.next);
    if (state.kind === "end" && at === length) all.add(state.next);
  }
  return all;
}

const CLASS = String.raw`\[\^?(?:\\[dwsDWS]|\\[^A-Za-z0-9]|[^\]\\])+\]`;
const TOKEN = new RegExp(
  String.raw`\\[dwsDWS]|\\[^A-Za-z0-9]|${CLASS}|\(\?:|[*+?]\??|\{\d+(?:,\d*)?\}\??|[^\\[{]`,
  "y",
);
const REPETITION = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??$/;

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;
  #steps = 0;

  constructor(pattern: string) {
    this.#tokens = tokensOf(pattern);
  }

  /** @throws SyntaxError also for a parenthesis that closes nothing */
  whole(): Part {
    const part = this.#choice();
    if (this.#at < this.#tokens.length) throw new SyntaxError("a parenthesis closes nothing");
    return part;
  }

  #choice(): Part {
    const parts = [this.#sequence()];
    while (this.#tokens[this.#at] === "|") {
      this.#at++;
      parts.push(this.#sequence());
    }
    return this.#counted((next) => ({ kind: "any", next: parts.map((part) => part(next)) }));
  }

  #sequence(): Part {
    const parts: Part[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined || token === "|" || token === ")") break;
      this.#at++;
      parts.push(this.#repeated(this.#counted(this.#one(token))));
    }
    return (next) => parts.reduceRight((behind, part) => part(behind), next);
  }

  #one(token: string): Part {
    if (token === "(" || token === "(?:") {
      const part = this.#choice();
      if (this.#tokens[this.#at++] !== ")") throw new SyntaxError("a parenthesis is not closed");
      return part;
    }
    if (REPETITION.test(token)) throw new SyntaxError("a repetition has nothing to repeat");
    if (token === "^") return (next) => ({ kind: "begin", next });
    if (token === "$") return (next) => ({ kind: "end", next });
    const fitsOne = characterOf(token);
    return (next) => ({ kind: "one", fits: fitsOne, next });
  }

  #repeated(part: Part): Part {
    const [, sign, from, comma, to] = REPETITION.exec(this.#tokens[this.#at] ?? "") ?? [];
    if (sign === undefined && from === undefined) return part;
    this.#at++;
    const least = sign === undefined ? Number(from) : Number(sign === "+");
    const isEndless = sign === "*" || sign === "+" || (comma === "," && to === "");
    const most = sign === "?" ? 1 : Number(to || least);
    const optionals = isEndless ? 0 : most - least;
    if (least > most || most > MAX_COUNT) throw new SyntaxError("a repetition is too large");
    const optional: Part = (next) => ({ kind: "any", next: [part(next), next] });
    return (next) => {
      let state = isEndless ? endless(part, next) : next;
      for (let count = 0; count < optionals; count++) state = optional(state);
      for (let count = 0; count < least; count++) state = part(state);
      return state;
    };
  }

  /** Repetitions of repetitions multiply: that is bounded while they are written out. */
  #counted(part: Part): Part {
    return (next) => {
      if (++this.#steps > MAX_STEPS) throw new SyntaxError("the pattern is too large");
      return part(next);
    };
  }
}

function endless(part: Part, next: State): State {
  const again: State = { kind: "any", next: [next] };
  again.next.push(part(again));
  return again;
}

function tokensOf(pattern: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < pattern.length;) {
    TOKEN.lastIndex = at;
    const [token] = TOKEN.exec(pattern) ?? [];
    // A named group, a flag or a look around; and a class of POSIX, which JavaScript reads otherwise.
    const isForeign = (token === "(" && pattern[at + 1] === "?") || token?.includes("[:");
    if (token === undefined || isForeign)
      throw new SyntaxError("the pattern has what is not known");
    tokens.push(token);
    at += token.length;
  }
  return tokens;
}

/** A class, an escape or `.` as JavaScript has it, which is the same for one character. */
function characterOf(token: string): (character: string) => boolean {
  if (token.length === 1 && token !== ".") return (character) => character === token;
  const expression = new RegExp(`^${token}$`);
  return (character) => expression.test(character);
}
