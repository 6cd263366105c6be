import { describe, expect, it } from "vitest";
import { CallBudget } from "../../src/credentials/call-budget.ts";
import type { CallPriority } from "../../src/credentials/call-budget.ts";
import { HOUR, MINUTE, SECOND, jump, now, pass, settle, useStoppedClocks } from "./support.ts";

function startBudget(burst = 20) {
  const granted: string[] = [];
  const budget = new CallBudget({ perSecond: 10, burst, monotonicMs: () => now().monotonicMs });
  const want = (name: string, priority: CallPriority = "first") => {
    budget.take(priority).then(
      () => granted.push(name),
      (error: unknown) => granted.push(`${name}: ${String(error)}`),
    );
  };
  return { budget, granted, want };
}

function times(count: number, run: (index: number) => void): void {
  for (let index = 0; index < count; index++) run(index);
}

describe("promise 4: a token bucket bounds the calls to STS", () => {
  useStoppedClocks();

  it("grants 20 calls at once and not one more", async () => {
    const { granted, want } = startBudget();
    times(100, () => want("call"));
    await settle();
    expect(granted).toHaveLength(20);
  });

  it("grants 10 calls a second from then on", async () => {
    const { granted, want } = startBudget();
    times(100, () => want("call"));
    await pass(SECOND);
    expect(granted).toHaveLength(30);
    await pass(SECOND);
    expect(granted).toHaveLength(40);
    await pass(MINUTE);
    expect(granted).toHaveLength(100);
  });

  it("saves up no more than one burst", async () => {
    const { granted, want } = startBudget();
    await pass(HOUR);
    times(100, () => want("call"));
    await settle();
    expect(granted).toHaveLength(20);
  });

  it("earns nothing from a wall clock that is set", async () => {
    const { granted, want } = startBudget();
    times(40, () => want("call"));
    jump(HOUR);
    want("call");
    await settle();
    expect(granted).toHaveLength(20);
  });

  it("serves a first use before renewals that have waited longer", async () => {
    const { granted, want } = startBudget(1);
    want("somebody");
    times(5, (index) => want(`renewal ${index}`, "renewal"));
    want("first use", "first");
    await pass(200);
    expect(granted).toEqual(["somebody", "first use", "renewal 0"]);
  });

  it("serves equals in the order in which they came", async () => {
    const { granted, want } = startBudget(1);
    times(5, (index) => want(`${index}`));
    await pass(MINUTE);
    expect(granted).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("refuses who waits, and who comes later, once it is closed", async () => {
    const { budget, granted, want } = startBudget(1);
    want("first");
    want("waiting");
    want("renewal", "renewal");
    budget.close();
    want("late");
    await pass(MINUTE);
    const refused = "CrossroleError: crossrole is shutting down";
    expect(granted.toSorted()).toEqual([
      "first",
      `late: ${refused}`,
      `renewal: ${refused}`,
      `waiting: ${refused}`,
    ]);
  });
});
