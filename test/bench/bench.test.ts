/** @module What the bench reckons and prints; how fast anything is, no test says. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { UsageError, parseArguments } from "./arguments.ts";
import { parseCores } from "./cores.ts";
import { compared, inTurn } from "./pairs.ts";
import { atLeast, atMost, below, exactly, isMet, within } from "./row.ts";
import type { Row } from "./row.ts";
import { exact, median, percentile, spreadOf } from "./statistics.ts";
import { comparison, json, table } from "./table.ts";

const BENCH = fileURLToPath(new URL("bench.ts", import.meta.url));

const KNOWN = [
  { name: "token", hasBase: true },
  { name: "start", hasBase: true },
  { name: "herd", hasBase: false },
];

const ROW: Row = { what: "token route", unit: "requests/s", digits: 0, ours: exact(7) };

describe("statistics", () => {
  it("takes the middle sample, and those that the middle half lies between", () => {
    expect(spreadOf([9, 1, 5, 3, 7, 2, 8])).toEqual({ median: 5, low: 2, high: 8 });
  });

  it("gives a sample that was there, never one in between", () => {
    expect(median([1, 2, 3, 4])).toBe(2);
    expect(percentile([1, 2, 3, 4], 99)).toBe(4);
  });

  it("has no number for no samples", () => {
    expect(median([])).toBeNaN();
  });
});

describe("pairs", () => {
  it("alternate who is first", async () => {
    const order: string[] = [];
    const one = (name: string) => async () => order.push(name);
    await inTurn(3, { base: one("base"), ours: one("ours") });

    expect(order).toEqual(["base", "ours", "ours", "base", "base", "ours"]);
  });

  it("are compared one by one: what slows both of a pair down is in no ratio", () => {
    const pairs = [
      { base: 100, ours: 80 },
      { base: 10, ours: 8 },
      { base: 50, ours: 40 },
    ];

    expect(compared(pairs, (one) => one).ratio).toEqual(exact(0.8));
  });
});

describe("bars", () => {
  it.each([
    [atLeast(0.8), 0.8, 0.79],
    [atMost(1.5), 1.5, 1.51],
    [below(20), 19.9, 20],
    [exactly(500), 500, 501],
    [within(3), -3, -3.1],
  ])("%j is met by %d and not by %d", (bar, good, bad) => {
    expect(isMet({ ...ROW, ours: exact(good), bar })).toBe(true);
    expect(isMet({ ...ROW, ours: exact(bad), bar })).toBe(false);
  });

  it("judge the ratio where there is one", () => {
    expect(isMet({ ...ROW, ours: exact(9), ratio: exact(0.5), bar: atLeast(0.8) })).toBe(false);
  });
});

describe("table", () => {
  const measured = [
    {
      measure: "token",
      rows: [
        {
          ...ROW,
          base: { median: 10, low: 9, high: 12 },
          ratio: { median: 0.7, low: 0.65, high: 0.75 },
          bar: atLeast(0.6),
        },
      ],
    },
    { measure: "herd", rows: [], error: "499 STS calls" },
  ];

  it("prints the medians with their spread, the bar, and whether it is met", () => {
    const [head, , row] = table(measured).split("\n");

    expect(head?.split(/ {2,}/)).toEqual([
      "",
      "unit",
      "bare node:http",
      "crossrole",
      "ratio",
      "bar",
      "met",
    ]);
    expect(row?.split(/ {2,}/)).toEqual([
      "token route",
      "requests/s",
      "10 (9..12)",
      "7",
      "0.70 (0.65..0.75)",
      ">= 0.6",
      "yes",
    ]);
  });

  it("of two commits says what has changed: what the middle half of the pairs agrees on", () => {
    const rows = [
      { ...ROW, ratio: { median: 0.9, low: 0.8, high: 0.95 } },
      { ...ROW, ratio: { median: 0.9, low: 0.8, high: 1.1 } },
    ];
    const [, , changed, same] = comparison([{ measure: "token", rows }], "ebd042a").split("\n");

    expect(changed).toMatch(/yes$/);
    expect(same).toMatch(/\)$/);
  });

  it("is the same as JSON, with what was broken", () => {
    expect(JSON.parse(json(measured, { node: "v24" }))).toEqual({
      node: "v24",
      rows: [
        {
          measure: "token",
          what: "token route",
          unit: "requests/s",
          base: { median: 10, low: 9, high: 12 },
          crossrole: exact(7),
          ratio: { median: 0.7, low: 0.65, high: 0.75 },
          bar: ">= 0.6",
          met: true,
        },
      ],
      broken: [{ measure: "herd", error: "499 STS calls" }],
    });
  });
});

describe("arguments", () => {
  it("measure everything by default", () => {
    expect(parseArguments([], KNOWN)).toEqual({
      only: ["token", "start", "herd"],
      json: undefined,
      against: undefined,
    });
  });

  it("take a part, in the bench's own order", () => {
    expect(parseArguments(["--only", "herd,token"], KNOWN).only).toEqual(["token", "herd"]);
  });

  it("compare with a commit what has something to compare", () => {
    expect(parseArguments(["--against", "HEAD~1"], KNOWN).only).toEqual(["token", "start"]);
  });

  it.each([
    [["--only", "tokens"], '--only: "tokens" is no measure; there are token, start, herd'],
    [["--only", ""], "--only needs a value"],
    [
      ["--against", "HEAD", "--only", "herd"],
      '--only: "herd" has nothing to compare with a commit; there are token, start',
    ],
    [["--jsn", "x"], "Unknown option '--jsn'"],
    [["token"], "Unexpected argument 'token'"],
    [["--json"], "Option '--json <value>' argument missing"],
  ])("%j: %s", (args, message) => {
    expect(() => parseArguments(args, KNOWN)).toThrow(new UsageError(message));
  });
});

it.each([
  ["0-1", [0, 1]],
  ["0-2,5", [0, 1, 2, 5]],
  ["3", [3]],
  ["", []],
])("the kernel's list of processors %j is %j", (list, cores) => {
  expect(parseCores(list)).toEqual(cores);
});

it.each([
  [["--only", "nothing"], '"nothing" is no measure'],
  [["--against", "no-such-commit"], 'there is no commit "no-such-commit" here'],
])("%j ends with code 2 and one line", async (args, message) => {
  const run = promisify(execFile)(process.execPath, [BENCH, ...args]);

  await expect(run).rejects.toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(new RegExp(`^bench: .*${message}.*\n$`)),
  });
});
