import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { identifyLocalUser } from "../../src/callers/local-user.ts";
import { procSocketTables } from "../../src/callers/proc-socket-tables.ts";
import type { AllowedUsers, ReadSocketTables } from "../../src/callers/local-user.ts";
import { ownerOf } from "../../src/callers/socket-table.ts";
import type { SocketTables } from "../../src/callers/socket-table.ts";
import type { Peer } from "../../src/callers/types.ts";

/** A table in which the socket of {@link peer} belongs to `uid`. */
function ownedBy(uid: number): SocketTables {
  const loopback = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? "0100007F" : "7F000001";
  const tcp = `   0: ${loopback}:9C40 ${loopback}:26B7 01 00000000:00000000 00:00000000 00000000 ${uid} 0 99 1 0 20 4 30 10 -1\n`;
  return { tcp, tcp6: "" };
}

const NOBODY_THERE: SocketTables = { tcp: "", tcp6: "" };

/** A new connection from the one socket that the tables know. */
function peer(): Peer {
  return {
    address: "127.0.0.1",
    port: 40_000,
    localAddress: "127.0.0.1",
    localPort: 9_911,
    connection: {},
    answered: 0,
  };
}

/** Reads each of `tables` in turn and the last one for ever, and counts. */
function reader(...tables: (SocketTables | Error)[]) {
  const count = { readings: 0 };
  const read: ReadSocketTables = async () => {
    const table = tables[Math.min(count.readings++, tables.length - 1)];
    if (table instanceof Error || table === undefined) throw table ?? new TypeError("no table");
    return await Promise.resolve(table);
  };
  return { count, read };
}

const only = (uid: number) => () => new Set([uid]);

describe("a caller on this machine", () => {
  it("is the owner of its socket", async () => {
    const identify = identifyLocalUser(only(1000), reader(ownedBy(1000)).read);

    expect(await identify(peer())).toBe("uid:1000");
  });

  it("is looked up once a connection, however many requests come on it at once or later", async () => {
    const { count, read } = reader(ownedBy(1000));
    const identify = identifyLocalUser(only(1000), read);
    const one = peer();

    await Promise.all([identify(one), identify(one), identify(one)]);
    expect(identify(one)).toBe("uid:1000");
    expect(identify(one)).toBe("uid:1000");
    expect(count.readings).toBe(1);
  });

  it("is looked up anew on another connection, though it comes from the same port", async () => {
    const { count, read } = reader(ownedBy(1000), ownedBy(7));
    const identify = identifyLocalUser(only(1000), read);

    expect(await identify(peer())).toBe("uid:1000");
    await expect(identify(peer())).rejects.toMatchObject({ code: "ERR_CALLER_UNKNOWN" });
    expect(count.readings).toBe(2);
  });

  it("is looked for once more where the kernel's first table missed its row", async () => {
    const { count, read } = reader(NOBODY_THERE, ownedBy(1000));
    const identify = identifyLocalUser(only(1000), read);

    expect(await identify(peer())).toBe("uid:1000");
    expect(count.readings).toBe(2);
  });

  it("stays who it was found to be, whatever the table says later of its ports", async () => {
    const { read } = reader(ownedBy(7), ownedBy(1000));
    const identify = identifyLocalUser(only(1000), read);
    const one = peer();

    await expect(identify(one)).rejects.toThrow("the caller is uid 7");
    await expect(async () => await identify(one)).rejects.toThrow("the caller is uid 7");
  });
});

describe("a caller that is not allowed", () => {
  it("is told who it is, who is answered, and what to change", async () => {
    const identify = identifyLocalUser(() => new Set([0, 1000]), reader(ownedBy(7)).read);

    await expect(identify(peer())).rejects.toMatchObject({
      code: "ERR_CALLER_UNKNOWN",
      message:
        "the caller is uid 7; this listener answers uid 0, 1000: " +
        'add the user to its allowUsers, or "any" for whoever reaches it',
    });
  });

  it.each<[string, ReadSocketTables | undefined]>([
    ["is in no table", reader(NOBODY_THERE).read],
    ["has two owners", reader({ ...ownedBy(1000), tcp: ownedBy(1000).tcp + ownedBy(0).tcp }).read],
    ["is behind a table that cannot be read", reader(new Error("EACCES")).read],
    ["is on a platform without tables", undefined],
  ])("is refused when it %s", async (_, read) => {
    const identify = identifyLocalUser(() => new Set([0, 1000]), read);

    await expect(identify(peer())).rejects.toMatchObject({
      code: "ERR_CALLER_UNKNOWN",
      message: expect.stringContaining(
        "no local process could be found behind 127.0.0.1 port 40000",
      ),
    });
  });

  it("costs no more readings by asking again on its connection", async () => {
    const { count, read } = reader(NOBODY_THERE);
    const identify = identifyLocalUser(only(1000), read);
    const one = peer();

    for (let request = 0; request < 5; request++) {
      await expect(identify(one)).rejects.toMatchObject({ code: "ERR_CALLER_UNKNOWN" });
    }
    expect(count.readings).toBe(2);
  });

  it("leaves no rejection behind that nobody owns, with many requests on one connection", async () => {
    const identify = identifyLocalUser(only(1000), reader(new Error("EIO")).read);
    const one = peer();

    const settled = await Promise.allSettled(
      Array.from({ length: 20 }, async () => await identify(one)),
    );
    expect(new Set(settled.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  });
});

describe("allowed users", () => {
  it("any are answered by their address, and nothing is looked up", () => {
    const { count, read } = reader(ownedBy(7));
    const identify = identifyLocalUser(() => "any", read);

    expect(identify(peer())).toBe("127.0.0.1");
    expect(identifyLocalUser(() => "any", undefined)(peer())).toBe("127.0.0.1");
    expect(count.readings).toBe(0);
  });

  it("hold from the next request on when they change, on a connection that stays", async () => {
    let allowed: AllowedUsers = new Set([1000]);
    const { count, read } = reader(ownedBy(1000));
    const identify = identifyLocalUser(() => allowed, read);
    const one = peer();

    expect(await identify(one)).toBe("uid:1000");
    allowed = new Set([7]);
    expect(() => identify(one)).toThrow("the caller is uid 1000; this listener answers uid 7");
    allowed = "any";
    expect(identify(one)).toBe("127.0.0.1");
    allowed = new Set([7, 1000]);
    expect(identify(one)).toBe("uid:1000");
    expect(count.readings).toBe(1);
  });

  it("are nobody when the list is empty", async () => {
    const identify = identifyLocalUser(() => new Set(), reader(ownedBy(0)).read);

    await expect(identify(peer())).rejects.toMatchObject({ code: "ERR_CALLER_UNKNOWN" });
  });
});

describe("the kernel's tables", () => {
  /** The platforms without tables answer nobody, and have nothing to read. */
  const platform = process.platform === "linux" ? "read" : "missing";

  it("are there on Linux alone", async () => {
    expect((await procSocketTables()) === undefined ? "missing" : "read").toBe(platform);
  });

  it("name the user of a socket of this process, at its end and not at the other", async () => {
    const read = (await procSocketTables()) ?? reader(ownedBy(process.getuid?.() ?? 0)).read;
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(client, "connect");
    const local = { address: "127.0.0.1", port: client.localPort ?? 0 };
    const remote = { address: "127.0.0.1", port: client.remotePort ?? 0 };

    const tables = await read();
    const closed = once(client, "close");
    client.destroy();
    await closed;

    expect(ownerOf(tables, platform === "read" ? { local, remote } : pairOf(peer()))).toBe(
      process.getuid?.(),
    );
    expect(ownerOf(await read(), { local, remote })).toBeUndefined();
    server.close();
  });

  it("are read once for all who ask while nobody reads, and once more for all who come meanwhile", async () => {
    const read = (await procSocketTables()) ?? reader(NOBODY_THERE).read;
    const first = read();
    const behind = Array.from({ length: 100 }, () => read());
    const tables = await Promise.all([first, ...behind]);

    expect(new Set(tables).size).toBe(platform === "read" ? 2 : 1);
    expect(await read()).toEqual({
      tcp: expect.any(String),
      tcp6: expect.any(String),
    });
  });
});

function pairOf({ address, port, localAddress, localPort }: Peer) {
  return { local: { address, port }, remote: { address: localAddress, port: localPort } };
}

describe("a long table", () => {
  it("is read on a thread, and finds the owner of a socket as a short one does", async () => {
    const server = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
    const sockets: Socket[] = [];
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    // Two rows each, 150 bytes a row: well beyond what is read without a thread.
    const clients = Array.from({ length: 300 }, () => connect({ host: "127.0.0.1", port }));
    await Promise.all(clients.map((client) => once(client, "connect")));
    const read = (await procSocketTables()) ?? reader(ownedBy(process.getuid?.() ?? 0)).read;
    const tables = [await read(), await read()];
    const [client] = clients;
    const local = { address: "127.0.0.1", port: client?.localPort ?? 0 };
    const remote = { address: "127.0.0.1", port };
    for (const socket of [...clients, ...sockets]) socket.destroy();
    server.close();

    for (const table of tables) {
      expect(table.tcp.length).toBeGreaterThan(64 * 1024);
      expect(ownerOf(table, { local, remote })).toBe(process.getuid?.());
    }
  });
});
