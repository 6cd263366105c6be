import { describe, expect, it } from "vitest";
import { createLog } from "../src/log.ts";
import { prettyLine, prettyOn } from "../src/pretty-log.ts";

const ESCAPE = String.fromCodePoint(27);
const line = (fields: object) =>
  JSON.stringify({
    level: "warn",
    time: "2026-08-22T10:00:01.000Z",
    msg: "request refused",
    ...fields,
  });

describe("the log on a terminal", () => {
  it("has time, level, event and fields on one line", () => {
    const text = prettyLine(
      line({ listener: "127.0.0.1:9911", reason: 'no "Host"', count: 3, ok: true }),
      false,
    );

    expect(text).toMatch(
      /^\d\d:\d\d:01 WARN {2}request refused {2}listener=127\.0\.0\.1:9911 reason="no \\"Host\\"" count=3 ok=true$/,
    );
  });

  it("is painted where there are colours", () => {
    expect(prettyLine(line({}), true)).toContain(`${ESCAPE}[33mWARN ${ESCAPE}[39m`);
    expect(prettyLine(line({}), false)).not.toContain(ESCAPE);
  });

  it.each([
    ["a colour", `${ESCAPE}[31mred`],
    ["a title", `${ESCAPE}]0;title\u0007`],
    ["another line", "one\r\nINFO  forged"],
    ["an 8-bit control", "\u009B31m"],
    ["a change of direction", "user\u202Egnp.exe"],
    ["what has no width", "a\u200Bb\u{E0041}"],
    ["another kind of line end", "one\u2028two"],
  ])("lets nobody who asks steer it: %s", (_, userAgent) => {
    const text = prettyLine(line({ userAgent }), false);

    expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(text).toContain("userAgent=");
  });

  it("is what a log writes to it, a line each", () => {
    let written = "";
    const log = createLog(
      "info",
      prettyOn({ write: (text) => (written += text), hasColours: false }),
    );
    log.info("listening", { url: "http://127.0.0.1:9911" });
    log.debug("not this");
    log.error("failed");

    expect(written.split("\n")).toEqual([
      expect.stringMatching(/ INFO {2}listening {2}url=http:\/\/127\.0\.0\.1:9911$/),
      expect.stringMatching(/ ERROR failed$/),
      "",
    ]);
  });
});
