/**
 * @module As much of PromQL as the alert rules and the dashboard use, over scrapes of a real /metrics:
 * selectors, `increase` and `rate` without extrapolation, `histogram_quantile`, aggregations, arithmetic
 * and comparisons. What it does not know is an error, so that no expression passes unread.
 *
 * @see https://prometheus.io/docs/prometheus/latest/querying/basics/
 */

export interface Scrape {
  /** In seconds since the epoch. */
  readonly at: number;
  readonly exposition: string;
}

export interface Value {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Sample extends Value {
  readonly name: string;
}

export interface Selector {
  readonly name: string;
  readonly matchers: readonly {
    readonly label: string;
    readonly operator: "=" | "!=" | "=~" | "!~";
    readonly value: string;
  }[];
  readonly rangeSeconds: number | undefined;
}

type Expression =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "selector"; readonly selector: Selector }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] }
  | {
      readonly kind: "aggregation";
      readonly name: string;
      readonly by: readonly string[];
      readonly of: Expression;
    }
  | {
      readonly kind: "binary";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    };

const TOKEN =
  /\s*(?:(\d+(?:\.\d+)?)(?![\w])|(\[\d+[smhd]\])|("(?:[^"\\]|\\.)*")|([a-zA-Z_:][\w:]*)|(=~|!~|!=|==|>=|<=|[-+*/(){}=<>,]))/y;

const AGGREGATIONS = new Set(["sum", "min", "max", "count"]);
const FUNCTIONS = new Set(["increase", "rate", "abs", "absent", "time", "histogram_quantile"]);
const COMPARISONS = ["==", "!=", ">", "<", ">=", "<="];
const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** What `expression` is at the time of the last scrape. */
export function evaluate(expression: string, scrapes: readonly Scrape[]): Value[] {
  const result = valueOf(new Parser(expression).whole(), samplesOf(scrapes));
  return typeof result === "number" ? [{ labels: {}, value: result }] : result;
}

/** Every selector in `expression`. */
export function selectorsIn(expression: string): Selector[] {
  const found: Selector[] = [];
  const visit = (one: Expression): void => {
    if (one.kind === "selector") found.push(one.selector);
    if (one.kind === "call") one.args.forEach(visit);
    if (one.kind === "aggregation") visit(one.of);
    if (one.kind === "binary") [one.left, one.right].forEach(visit);
  };
  visit(new Parser(expression).whole());
  return found;
}

/** The label names that the aggregations of `expression` keep. */
export function groupingsIn(expression: string): string[] {
  const found: string[] = [];
  const visit = (one: Expression): void => {
    if (one.kind === "call") one.args.forEach(visit);
    if (one.kind === "binary") [one.left, one.right].forEach(visit);
    if (one.kind !== "aggregation") return;
    found.push(...one.by);
    visit(one.of);
  };
  visit(new Parser(expression).whole());
  return found;
}

/** Of the text that Prometheus scrapes. */
export function parseExposition(exposition: string): Sample[] {
  return exposition
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", labels = "", value = ""] =
        /^([\w:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === "") throw new Error(`no sample: ${line}`);
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      return {
        name,
        labels: Object.fromEntries(pairs.map(([, key = "", text = ""]) => [key, text])),
        value: Number(value.replace("+Inf", "Infinity")),
      };
    });
}

class Parser {
  readonly #text: string;
  readonly #tokens: string[] = [];

  constructor(text: string) {
    this.#text = text;
    TOKEN.lastIndex = 0;
    const trimmed = text.trimEnd();
    while (TOKEN.lastIndex < trimmed.length) {
      const at = TOKEN.lastIndex;
      const match = TOKEN.exec(trimmed);
      if (match === null) throw new Error(`not read: ${trimmed.slice(at)}`);
      this.#tokens.push(match[0].trim());
    }
  }

  whole(): Expression {
    const expression = this.#binary(0);
    if (this.#tokens.length > 0) throw this.#unexpected();
    return expression;
  }

  /** Comparisons bind least, then sums, then products. */
  #binary(level: number): Expression {
    const operators = [COMPARISONS, ["+", "-"], ["*", "/"]][level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    while (operators.includes(this.#tokens[0] ?? "")) {
      const operator = this.#next();
      left = { kind: "binary", operator, left, right: this.#binary(level + 1) };
    }
    return left;
  }

  #unary(): Expression {
    const token = this.#next();
    if (token === "(") {
      const inner = this.#binary(0);
      this.#expect(")");
      return inner;
    }
    if (/^\d/.test(token)) return { kind: "number", value: Number(token) };
    if (!/^[a-zA-Z_:]/.test(token)) throw this.#unexpected(token);
    if (AGGREGATIONS.has(token)) return this.#aggregation(token);
    if (this.#tokens[0] !== "(") return { kind: "selector", selector: this.#selector(token) };
    if (!FUNCTIONS.has(token)) throw this.#unexpected(token);
    return { kind: "call", name: token, args: this.#arguments() };
  }

  #aggregation(name: string): Expression {
    const by = this.#tokens[0] === "by" ? this.#grouping() : [];
    const [of, ...more] = this.#arguments();
    if (of === undefined || more.length > 0) throw new Error(`${name} takes one vector`);
    return { kind: "aggregation", name, by, of };
  }

  #grouping(): string[] {
    this.#expect("by");
    this.#expect("(");
    const labels: string[] = [];
    while (this.#tokens[0] !== ")") {
      if (labels.length > 0) this.#expect(",");
      labels.push(this.#next());
    }
    this.#expect(")");
    return labels;
  }

  #arguments(): Expression[] {
    this.#expect("(");
    const args: Expression[] = [];
    while (this.#tokens[0] !== ")") {
      if (args.length > 0) this.#expect(",");
      args.push(this.#binary(0));
    }
    this.#expect(")");
    return args;
  }

  #selector(name: string): Selector {
    const matchers: Selector["matchers"][number][] = [];
    if (this.#takes("{")) {
      while (this.#tokens[0] !== "}") {
        if (matchers.length > 0) this.#expect(",");
        const [label, operator, value] = [this.#next(), this.#next(), this.#next()];
        if (operator !== "=" && operator !== "!=" && operator !== "=~" && operator !== "!~")
          throw this.#unexpected(operator);
        matchers.push({ label, operator, value: JSON.parse(value) as string });
      }
      this.#expect("}");
    }
    const range = /^\[(\d+)([smhd])\]$/.exec(this.#tokens[0] ?? "");
    if (range === null) return { name, matchers, rangeSeconds: undefined };
    this.#next();
    const unit = UNITS[range[2] as keyof typeof UNITS];
    return { name, matchers, rangeSeconds: Number(range[1]) * unit };
  }

  #takes(token: string): boolean {
    if (this.#tokens[0] !== token) return false;
    this.#tokens.shift();
    return true;
  }

  #next(): string {
    const token = this.#tokens.shift();
    if (token === undefined) throw new Error(`it ends too early: ${this.#text}`);
    return token;
  }

  #expect(token: string): void {
    const found = this.#next();
    if (found !== token) throw this.#unexpected(found);
  }

  #unexpected(token = this.#tokens[0]): Error {
    return new Error(`unexpected ${token ?? "end"} in ${this.#text}`);
  }
}

interface Scraped {
  readonly at: number;
  readonly samples: readonly Sample[];
}

function samplesOf(scrapes: readonly Scrape[]): Scraped[] {
  return scrapes.map(({ at, exposition }) => ({ at, samples: parseExposition(exposition) }));
}

function valueOf(expression: Expression, scrapes: readonly Scraped[]): number | Value[] {
  switch (expression.kind) {
    case "number":
      return expression.value;
    case "selector":
      return instant(expression.selector, scrapes);
    case "aggregation":
      return aggregated(expression, vectorOf(expression.of, scrapes));
    case "binary": {
      const { operator, left, right } = expression;
      return combined(operator, valueOf(left, scrapes), valueOf(right, scrapes));
    }
    case "call":
      return called(expression.name, expression.args, scrapes);
  }
}

function vectorOf(expression: Expression, scrapes: readonly Scraped[]): Value[] {
  const value = valueOf(expression, scrapes);
  if (typeof value === "number") throw new Error("a number stands where a vector must");
  return value;
}

function instant(selector: Selector, scrapes: readonly Scraped[]): Value[] {
  if (selector.rangeSeconds !== undefined) throw new Error(`${selector.name}: a range by itself`);
  return chosen(selector, scrapes.at(-1)?.samples ?? []);
}

function chosen({ name, matchers }: Selector, samples: readonly Sample[]): Value[] {
  const fits = ({ labels }: Sample) =>
    matchers.every(({ label, operator, value }) => {
      const actual = labels[label] ?? "";
      const isEqual = operator.endsWith("~")
        ? new RegExp(`^(?:${value})$`).test(actual)
        : actual === value;
      return operator.startsWith("!") ? !isEqual : isEqual;
    });
  return samples.filter((sample) => sample.name === name && fits(sample));
}

function called(
  name: string,
  args: readonly Expression[],
  scrapes: readonly Scraped[],
): number | Value[] {
  const [first, second] = args;
  if (name === "time") return scrapes.at(-1)?.at ?? 0;
  if (first === undefined) throw new Error(`${name} takes an argument`);
  if (name === "histogram_quantile" && second !== undefined) {
    const quantile = valueOf(first, scrapes);
    if (typeof quantile !== "number") throw new Error("a quantile is a number");
    return quantiles(quantile, vectorOf(second, scrapes));
  }
  if (name === "increase" || name === "rate") return increased(name, first, scrapes);
  const vector = vectorOf(first, scrapes);
  if (name === "absent") return vector.length === 0 ? [{ labels: {}, value: 1 }] : [];
  return vector.map(({ labels, value }) => ({ labels, value: Math.abs(value) }));
}

/** A series needs two scrapes within the range, as in Prometheus: its first one shows no increase. */
function increased(name: string, argument: Expression, scrapes: readonly Scraped[]): Value[] {
  const selector = argument.kind === "selector" ? argument.selector : undefined;
  const rangeSeconds = selector?.rangeSeconds;
  if (selector === undefined || rangeSeconds === undefined) throw new Error(`${name} of no range`);
  const end = scrapes.at(-1)?.at ?? 0;
  const within = scrapes.filter(({ at }) => at > end - rangeSeconds);
  const series = new Map<string, { labels: Value["labels"]; values: number[] }>();
  for (const { samples } of within) {
    for (const { labels, value } of chosen(selector, samples)) {
      const one = series.get(keyOf(labels)) ?? { labels, values: [] };
      one.values.push(value);
      series.set(keyOf(labels), one);
    }
  }
  const seconds = end - (within[0]?.at ?? end);
  return [...series.values()]
    .filter(({ values }) => values.length > 1)
    .map(({ labels, values }) => {
      const increase = (values.at(-1) ?? 0) - (values[0] ?? 0);
      return { labels, value: name === "rate" ? increase / seconds : increase };
    });
}

function aggregated(
  { name, by }: { readonly name: string; readonly by: readonly string[] },
  vector: readonly Value[],
): Value[] {
  const groups = new Map<string, { labels: Value["labels"]; values: number[] }>();
  for (const { labels, value } of vector) {
    const kept = Object.fromEntries(
      by
        .filter((label) => labels[label] !== undefined)
        .map((label) => [label, labels[label] ?? ""]),
    );
    const group = groups.get(keyOf(kept)) ?? { labels: kept, values: [] };
    group.values.push(value);
    groups.set(keyOf(kept), group);
  }
  const fold = (values: readonly number[]): number => {
    if (name === "count") return values.length;
    if (name === "min") return Math.min(...values);
    if (name === "max") return Math.max(...values);
    return values.reduce((sum, value) => sum + value, 0);
  };
  return [...groups.values()].map(({ labels, values }) => ({ labels, value: fold(values) }));
}

/** Linear within its bucket. */
function quantiles(quantile: number, vector: readonly Value[]): Value[] {
  const groups = new Map<string, { labels: Value["labels"]; buckets: [number, number][] }>();
  for (const { labels, value } of vector) {
    const { le = "", ...kept } = labels;
    const group = groups.get(keyOf(kept)) ?? { labels: kept, buckets: [] };
    group.buckets.push([Number(le.replace("+Inf", "Infinity")), value]);
    groups.set(keyOf(kept), group);
  }
  return [...groups.values()].flatMap(({ labels, buckets }) => {
    const sorted = buckets.toSorted(([one], [other]) => one - other);
    const wanted = (sorted.at(-1)?.[1] ?? 0) * quantile;
    // Of nothing there is no quantile, and a comparison with what is no number never holds.
    if (wanted === 0) return [{ labels, value: Number.NaN }];
    const index = sorted.findIndex(([, count]) => count >= wanted);
    const [upper = 0, count = 0] = sorted[index] ?? [];
    const [lower, below] = sorted[index - 1] ?? [0, 0];
    if (upper === Infinity) return [{ labels, value: lower }];
    return [{ labels, value: lower + ((upper - lower) * (wanted - below)) / (count - below) }];
  });
}

function combined(
  operator: string,
  left: number | Value[],
  right: number | Value[],
): number | Value[] {
  if (typeof left === "number" && typeof right === "number") return applied(operator, left, right);
  const pairs = pairsOf(left, right);
  if (!COMPARISONS.includes(operator)) {
    return pairs.map(([labels, one, other]) => ({ labels, value: applied(operator, one, other) }));
  }
  return pairs
    .filter(([, one, other]) => applied(operator, one, other) === 1)
    .map(([labels, one]) => ({ labels, value: one }));
}

/** A number goes with every element; two vectors go together by equal labels. */
function pairsOf(
  left: number | Value[],
  right: number | Value[],
): [Value["labels"], number, number][] {
  if (typeof left !== "number" && typeof right !== "number") {
    const others = new Map(right.map(({ labels, value }) => [keyOf(labels), value]));
    return left.flatMap(({ labels, value }): [Value["labels"], number, number][] => {
      const other = others.get(keyOf(labels));
      return other === undefined ? [] : [[labels, value, other]];
    });
  }
  if (typeof left !== "number")
    return left.map(({ labels, value }) => [labels, value, right as number]);
  return (right as Value[]).map(({ labels, value }) => [labels, left, value]);
}

function applied(operator: string, left: number, right: number): number {
  const results: Readonly<Record<string, number>> = {
    "+": left + right,
    "-": left - right,
    "*": left * right,
    "/": left / right,
    "==": Number(left === right),
    "!=": Number(left !== right),
    ">": Number(left > right),
    "<": Number(left < right),
    ">=": Number(left >= right),
    "<=": Number(left <= right),
  };
  return results[operator] ?? Number.NaN;
}

function keyOf(labels: Value["labels"]): string {
  return JSON.stringify(
    Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
}
