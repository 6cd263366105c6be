import { describe, expect, it } from "vitest";
import { takePassedSockets } from "../../src/commands/passed-sockets.ts";

const PID = 4_711;

describe("the sockets that systemd tells of", () => {
  it("are numbered from 3, by the names that it gives them", () => {
    const environment = { LISTEN_PID: "4711", LISTEN_FDS: "2", LISTEN_FDNAMES: "data:operations" };

    expect(takePassedSockets(environment, PID)).toEqual([
      { fd: 3, name: "data" },
      { fd: 4, name: "operations" },
    ]);
  });

  it("have a name when it gives them none", () => {
    expect(takePassedSockets({ LISTEN_PID: "4711", LISTEN_FDS: "1" }, PID)).toEqual([
      { fd: 3, name: "socket 1" },
    ]);
  });

  it.each<[string, Record<string, string>]>([
    ["nothing is said", {}],
    ["they are another process's", { LISTEN_PID: "4712", LISTEN_FDS: "1" }],
    ["nobody is said to be meant", { LISTEN_FDS: "1" }],
    ["there are none", { LISTEN_PID: "4711", LISTEN_FDS: "0" }],
  ])("are none when %s", (_, environment) => {
    expect(takePassedSockets({ ...environment }, PID)).toEqual([]);
  });

  it.each(["one", "-1", "1.5", "", " 1", "100000"])("are an error as LISTEN_FDS=%j", (count) => {
    expect(() => takePassedSockets({ LISTEN_PID: "4711", LISTEN_FDS: count }, PID)).toThrow(
      `LISTEN_FDS must be a number of sockets, is ${JSON.stringify(count)}`,
    );
  });

  it.each(["4711", "4712"])("are told to no child process, whosever they are: %s", (pid) => {
    const environment = { PATH: "/bin", LISTEN_PID: pid, LISTEN_FDS: "1", LISTEN_FDNAMES: "x" };

    takePassedSockets(environment, PID);

    expect(environment).toEqual({ PATH: "/bin" });
  });
});
