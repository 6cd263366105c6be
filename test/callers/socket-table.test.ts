import { endianness } from "node:os";
import { describe, expect, it } from "vitest";
import { ownerOf } from "../../src/callers/socket-table.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/** `address` as this machine's kernel prints it: 32-bit words in its own byte order. */
function kernelHex(bigEndian: string): string {
  if (endianness() === "BE") return bigEndian;
  return bigEndian.replaceAll(/(..)(..)(..)(..)/g, "$4$3$2$1");
}

const LOOPBACK = kernelHex("7F000001");
const LOOPBACK6 = kernelHex("00000000000000000000000000000001");
const MAPPED = kernelHex("00000000000000000000FFFF7F000001");

interface Row {
  readonly local?: string;
  readonly remote?: string;
  readonly state?: string;
  readonly uid?: number;
  readonly inode?: number;
}

/** A row as the kernel prints it, by default of the socket 127.0.0.1:40000 → 127.0.0.1:9911. */
function row({
  local = `${LOOPBACK}:9C40`,
  remote = `${LOOPBACK}:26B7`,
  state = "01",
  uid = 1000,
  inode = 295_395,
}: Row = {}): string {
  const owner = `${String(uid).padStart(6)}        0 ${inode}`;
  return `   7: ${local} ${remote} ${state} 00000000:00000000 02:000004FB 00000000${owner} 1 00000000be2bea7f 100 0 0 10 0                     \n`;
}

const pair = {
  local: { address: "127.0.0.1", port: 40_000 },
  remote: { address: "127.0.0.1", port: 9_911 },
};

const tables = (tcp: string, tcp6 = "") => ({ tcp: HEAD + tcp, tcp6: HEAD + tcp6 });

describe("the owner of a socket", () => {
  it("is the uid of the row that has its two ends", () => {
    const others = row({ local: `${LOOPBACK}:9C41`, uid: 7 }) + row({ remote: `${LOOPBACK}:1F90` });

    expect(ownerOf(tables(others + row() + others), pair)).toBe(1000);
  });

  it("is found in a table as a kernel printed it", () => {
    const printed = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0100007F:26B7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 30673 1 00000000f2540594 100 0 0 10 0                     
   1: 0100007F:9C40 0100007F:26B7 01 00000000:00000000 00:00000000 00000000 65534        0 30674 1 0000000036a53f1a 20 4 30 10 -1                    
   2: 0100007F:26B7 0100007F:9C40 01 00000000:00000000 02:000AFB5C 00000000     0        0 30675 1 00000000c6a1d3f0 20 4 31 10 -1                    
`;

    const tcp = printed.replaceAll("0100007F", LOOPBACK);

    expect(ownerOf({ tcp, tcp6: "" }, pair)).toBe(65_534);
  });

  it("may be root: uid 0 is an owner", () => {
    expect(ownerOf(tables(row({ uid: 0 })), pair)).toBe(0);
  });

  it.each([
    ["nowhere", ""],
    ["at the other end", row({ local: `${LOOPBACK}:26B7`, remote: `${LOOPBACK}:9C40` })],
    ["with another remote port", row({ remote: `${LOOPBACK}:26B8` })],
    ["with another remote address", row({ remote: `${kernelHex("7F000002")}:26B7` })],
    ["listening", row({ remote: `${LOOPBACK}:0000`, state: "0A" })],
    ["in the last line, cut off", row().slice(0, 60)],
  ])("is unknown when the socket is %s", (_, text) => {
    expect(ownerOf(tables(text), pair)).toBeUndefined();
  });

  it.each(["02", "03", "06", "07", "09", "0A", "0B", "0C"])(
    "is nobody in state %s, in which no process holds a socket that could ask",
    (state) => {
      expect(ownerOf(tables(row({ state })), pair)).toBeUndefined();
    },
  );

  it.each(["01", "04", "05", "08"])("is somebody in state %s", (state) => {
    expect(ownerOf(tables(row({ state })), pair)).toBe(1000);
  });

  it("is not root where a closed socket has lost its owner: uid 0 and no inode", () => {
    const closed = row({ state: "05", uid: 0, inode: 0 });

    expect(ownerOf(tables(closed), pair)).toBeUndefined();
    expect(ownerOf(tables(closed + row()), pair)).toBe(1000);
  });

  it("is nobody when two rows name different users, and the one when they agree", () => {
    expect(ownerOf(tables(row() + row({ uid: 0 })), pair)).toBeUndefined();
    expect(ownerOf(tables(row() + row()), pair)).toBe(1000);
    const mapped = row({ local: `${MAPPED}:9C40`, remote: `${MAPPED}:26B7`, uid: 7 });
    expect(ownerOf(tables(row(), mapped), pair)).toBeUndefined();
  });

  it.each([
    [80, "0050"],
    [9, "0009"],
    [65_535, "FFFF"],
    [43_981, "ABCD"],
  ])("is found at port %i, which the table writes as %s", (port, hex) => {
    const local = { address: "127.0.0.1", port };

    expect(ownerOf(tables(row({ local: `${LOOPBACK}:${hex}` })), { ...pair, local })).toBe(1000);
  });

  it("is found among ten thousand others", () => {
    const others = Array.from({ length: 10_000 }, (_, index) =>
      row({
        local: `${LOOPBACK}:${(index + 1).toString(16).toUpperCase().padStart(4, "0")}`,
        uid: 2,
      }),
    ).join("");

    expect(ownerOf(tables(others + row()), pair)).toBe(1000);
  });
});

/** The pair of sockets from `local` to `remote`, at the same ports. */
function at(local: string, remote = local) {
  return {
    local: { address: local, port: 40_000 },
    remote: { address: remote, port: 9_911 },
  };
}

function row6(address: string): string {
  return row({ local: `${kernelHex(address)}:9C40`, remote: `${kernelHex(address)}:26B7` });
}

describe("an IPv6 socket", () => {
  it.each([
    ["::1", "00000000000000000000000000000001"],
    ["::", "00000000000000000000000000000000"],
    ["fe80::1%eth0", "FE800000000000000000000000000001"],
    ["2001:db8::ff00:42:8329", "20010DB8000000000000FF0000428329"],
    ["2001:db8:1:2:3:4:5:6", "20010DB8000100020003000400050006"],
    ["fd00:ec2::254", "FD000EC2000000000000000000000254"],
    ["1::", "00010000000000000000000000000000"],
  ])("of %s is found", (address, hex) => {
    expect(ownerOf(tables("", row6(hex)), at(address))).toBe(1000);
    expect(ownerOf(tables("", row6(hex)), at("::2"))).toBeUndefined();
  });

  it("is not looked for among those of IPv4, nor the other way round", () => {
    expect(
      ownerOf(tables(row({ local: `${LOOPBACK6}:9C40`, remote: `${LOOPBACK6}:26B7` })), pair),
    ).toBeUndefined();
    expect(ownerOf(tables(row()), at("::1"))).toBeUndefined();
  });

  it("that the daemon sees as v4-mapped is found in the client's IPv4 table", () => {
    expect(ownerOf(tables(row()), at("::ffff:127.0.0.1"))).toBe(1000);
    expect(ownerOf(tables(row()), at("::FFFF:127.0.0.1"))).toBe(1000);
  });

  it("that the client holds as v4-mapped is found for an IPv4 peer", () => {
    const mapped = row({ local: `${MAPPED}:9C40`, remote: `${MAPPED}:26B7` });

    expect(ownerOf(tables("", mapped), pair)).toBe(1000);
    expect(ownerOf(tables("", mapped), at("::ffff:127.0.0.1"))).toBe(1000);
  });

  it.each(["::0.0.0.1", "::1.2.3.4", "64:ff9b::1.2.3.4", "", "localhost", "x"])(
    "of %j is nobody's, and never that of ::1",
    (address) => {
      const table = tables(row(), row6("00000000000000000000000000000001"));

      expect(ownerOf(table, at(address))).toBeUndefined();
      expect(ownerOf(table, at(address, "::1"))).toBeUndefined();
    },
  );
});

describe("a table that is no table", () => {
  it.each(["", "\n", "garbage", ` ${LOOPBACK}:9C40 ${LOOPBACK}:26B7 `, row().replace("1000", "x")])(
    "has no owner in it: %j",
    (text) => {
      expect(ownerOf({ tcp: text, tcp6: text }, pair)).toBeUndefined();
    },
  );
});
