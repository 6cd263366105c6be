import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { watchConfig } from "../../src/config/watch.ts";
import type { ConfigWatch } from "../../src/config/watch.ts";
import { messageOf } from "../../src/errors.ts";

let directory = "";
let watch: ConfigWatch | undefined;
/** What the watch has told, in order: texts, and errors. */
const told: string[] = [];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  directory = await mkdtemp(path.join(tmpdir(), "crossrole-"));
});

afterEach(async () => {
  watch?.close();
  told.length = 0;
  vi.useRealTimers();
  await rm(directory, { recursive: true, force: true });
});

/** A watch over `file`, which said `text` when it was loaded. */
function start(file: string, text: string, onChange?: (text: string) => Promise<void>): void {
  watch = watchConfig({
    path: file,
    text,
    onChange: onChange ?? (async (current) => void told.push(current)),
    onError: (error) => told.push(messageOf(error)),
  });
}

async function fileWith(text: string): Promise<string> {
  const file = path.join(directory, "crossrole.yaml");
  await writeFile(file, text);
  return file;
}

/** Two seconds go by, and whatever they have caused. */
async function tick(): Promise<void> {
  vi.advanceTimersByTime(2_000);
  // A look that is asked for comes after the timer's own, and always tells one thing: not counted here.
  await watch?.check();
  told.pop();
}

describe("the watched file", () => {
  it("says nothing while it stays the same", async () => {
    const file = await fileWith("one");
    start(file, "one");

    await tick();
    await writeFile(file, "one");
    await tick();

    expect(told).toEqual([]);
  });

  it("is noticed when it was changed between loading and watching", async () => {
    start(await fileWith("two"), "one");

    await tick();

    expect(told).toEqual(["two"]);
  });

  it("is noticed within 2 s when it is rewritten in place, each time once", async () => {
    const file = await fileWith("one");
    start(file, "one");

    await writeFile(file, "two");
    await tick();
    await tick();
    await writeFile(file, "one");
    await tick();

    expect(told).toEqual(["two", "one"]);
  });

  it("is noticed when another file is renamed over it", async () => {
    const file = await fileWith("one");
    start(file, "one");

    await writeFile(`${file}.new`, "two");
    await rename(`${file}.new`, file);
    await tick();

    expect(told).toEqual(["two"]);
  });

  it("is noticed when a ConfigMap swaps its symlink", async () => {
    for (const [version, text] of [
      ["..v1", "one"],
      ["..v2", "two"],
    ] as const) {
      await mkdir(path.join(directory, version));
      await writeFile(path.join(directory, version, "crossrole.yaml"), text);
    }
    await symlink("..v1", path.join(directory, "..data"));
    const file = path.join(directory, "crossrole.yaml");
    await symlink(path.join("..data", "crossrole.yaml"), file);
    start(file, "one");

    await symlink("..v2", path.join(directory, "..data_tmp"));
    await rename(path.join(directory, "..data_tmp"), path.join(directory, "..data"));
    await rm(path.join(directory, "..v1"), { recursive: true });
    await tick();

    expect(told).toEqual(["two"]);
  });

  it("that cannot be read is told once, again when it can be, and once more after that", async () => {
    const file = await fileWith("one");
    start(file, "one");

    await rm(file);
    await tick();
    await tick();
    await writeFile(file, "one");
    await tick();
    await rm(file);
    await tick();

    expect(told).toEqual([
      expect.stringContaining("crossrole.yaml: cannot be read: ENOENT"),
      "one",
      expect.stringContaining("crossrole.yaml: cannot be read: ENOENT"),
    ]);
  });

  it("that becomes a pipe is told, does not hold up what comes after it, and is taken when it is a file again", async () => {
    const file = await fileWith("one");
    start(file, "one");

    await rm(file);
    execFileSync("mkfifo", [file]);
    await tick();
    await tick();
    await rm(file);
    await writeFile(file, "two");
    await tick();

    expect(told).toEqual([
      expect.stringMatching(/crossrole\.yaml: cannot be read: it is no regular file$/),
      "two",
    ]);
  });

  it("that is larger than 4 MiB is told, and is not read", async () => {
    const file = await fileWith("one");
    start(file, "one");

    await truncate(file, 4 * 1_024 * 1_024 + 1);
    await tick();

    expect(told).toEqual([
      expect.stringMatching(/crossrole\.yaml: cannot be read: it is larger than 4 MiB$/),
    ]);
  });

  it("is taken as it comes back when it says something else then", async () => {
    const file = await fileWith("one");
    start(file, "one");

    await rm(file);
    await tick();
    await writeFile(file, "two");
    await tick();

    expect(told).toEqual([expect.stringContaining("ENOENT"), "two"]);
  });

  it("that is not taken over is offered once, not every 2 s", async () => {
    const file = await fileWith("good");
    start(file, "good", async (text) => {
      throw new Error(`not taken: ${text}`);
    });

    await writeFile(file, "bad");
    await tick();
    await tick();

    expect(told).toEqual(["not taken: bad"]);
  });

  it("is read at once when it is asked for, and told even if it says the same", async () => {
    start(await fileWith("one"), "one");

    await watch?.check();
    await watch?.check();

    expect(told).toEqual(["one", "one"]);
  });

  it("that cannot be read is told at each time it is asked for", async () => {
    start(path.join(directory, "missing.yaml"), "one");

    await watch?.check();
    await watch?.check();

    expect(told).toHaveLength(2);
  });

  it("is taken over one change after the other", async () => {
    const file = await fileWith("two");
    const first = Promise.withResolvers<void>();
    const order: string[] = [];
    start(file, "one", async (text) => {
      order.push(`begin ${text}`);
      if (text === "two") await first.promise;
      order.push(`end ${text}`);
    });

    const earlier = watch?.check();
    await vi.waitFor(() => expect(order).toEqual(["begin two"]));
    await writeFile(file, "three");
    const later = watch?.check();
    first.resolve();
    await earlier;
    await later;

    expect(order).toEqual(["begin two", "end two", "begin three", "end three"]);
  });

  it("is nothing to a watch that was closed, even while it was being read", async () => {
    const file = await fileWith("two");
    start(file, "one");

    const check = watch?.check();
    watch?.close();
    await check;
    vi.advanceTimersByTime(10_000);
    await watch?.check();

    expect(told).toEqual([]);
  });

  it("is read once more, not a hundred times, for a storm of those who ask while it is taken over", async () => {
    const first = Promise.withResolvers<void>();
    start(await fileWith("two"), "one", async (text) => {
      told.push(text);
      if (told.length === 1) await first.promise;
    });

    const earlier = watch?.check();
    await vi.waitFor(() => expect(told).toHaveLength(1));
    const storm = Array.from({ length: 100 }, () => watch?.check());
    first.resolve();
    await Promise.all([earlier, ...storm]);

    expect(told).toEqual(["two", "two"]);
  });
});
