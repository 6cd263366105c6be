/** @module What a client lives through. */
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import type { Client, ClientWay } from "./clients.ts";
import { GATEWAY, READER } from "./crossrole.ts";
import type { Daemon, Environment } from "./daemon.ts";
import type { Program } from "./program.ts";
import type { Issued } from "./recorder.ts";
import { Scene } from "./scene.ts";
import { until } from "./until.ts";
import { exec, serve, WAYS, withTokenValue } from "./ways.ts";

export type CaseName = "cold" | "warm" | "renewed" | "restarted" | "stsDown" | "wrongHost";

interface Case {
  /** As the README has it. */
  readonly title: string;
  /** What the client does. */
  readonly sentence: string;
  readonly run: (client: Client, way: ClientWay) => Promise<void>;
}

export const CASES: Readonly<Record<CaseName, Case>> = {
  cold: {
    title: "cold",
    sentence: "gets its first credentials while the role is assumed for the first time",
    run: cold,
  },
  warm: {
    title: "warm",
    sentence: "is answered from memory when it is started again",
    run: warm,
  },
  renewed: {
    title: "renewed",
    sentence: "goes on without an error while its session is renewed",
    run: renewed,
  },
  restarted: {
    title: "restarted",
    sentence: "goes on without an error when crossrole has been restarted",
    run: restarted,
  },
  stsDown: {
    title: "STS down",
    sentence: "is served what is held, running or started anew, while STS is down",
    run: stsDown,
  },
  wrongHost: {
    title: "wrong host",
    sentence: "gets nothing under a name that is not crossrole's",
    run: wrongHost,
  },
};

const GENERATIONS = 3;

const ELSEWHERE = "127.0.0.1:9912";

/** How long STS takes from a client's first request: it asks for credentials before they are there. */
const STS_TAKES_MS = 50;

/** Long enough to start a client anew in its second half, on a busy machine; JS v2 wants 15 s of it. */
const OUTAGE_LIFE_MS = 50_000;

async function cold(client: Client, way: ClientWay): Promise<void> {
  await using scene = await Scene.open();
  const release = scene.recorder.hold(READER);
  const daemon = await serve(scene, way.by);
  await until("the gateway is assumed", () => scene.recorder.sessionsOf(GATEWAY).length === 1);

  const program = await start(scene, client, way, daemon);
  const letThrough = async () => {
    await until("the client asks", () => daemon.isAsked());
    await delay(STS_TAKES_MS);
    expect(scene.recorder.sessionsOf(READER), "sessions after the first request").toEqual([]);
    release();
  };
  await Promise.all([program.ask("cold"), letThrough()]);
  await program.finish();

  expect(scene.complaints).toEqual([]);
  expect(await client.prove(scene)).toEqual(scene.recorder.sessionsOf(READER));
  expect(scene.recorder.sessionsOf(READER)).toHaveLength(1);
}

async function warm(client: Client, way: ClientWay): Promise<void> {
  await using scene = await Scene.open();
  const daemon = await serveWarm(scene, way);

  for (const key of ["first", "second"]) {
    const program = await start(scene, client, way, daemon);
    await program.ask(key);
    await program.finish();
  }

  expect(scene.complaints).toEqual([]);
  expect(await client.prove(scene)).toEqual(scene.recorder.sessionsOf(READER));
  expect(scene.recorder.issued.map(({ roleArn }) => roleArn)).toEqual([GATEWAY, READER]);
}

async function renewed(client: Client, way: ClientWay): Promise<void> {
  await using scene = await Scene.open(way.shortLifeMs);
  const program =
    way.by === "exec"
      ? await exec(scene, client.command, { ...client.environment, ...way.whenSessionsAreShort })
      : await start(scene, client, way, await serveWarm(scene, way), way.whenSessionsAreShort);

  const sessions = await askUntil(
    `${GENERATIONS} sessions are used`,
    { scene, client, program },
    (used) => used.length >= GENERATIONS,
  );
  await program.finish();

  expect(scene.complaints).toEqual([]);
  expect(sessions.length).toBeGreaterThanOrEqual(GENERATIONS);
}

async function restarted(client: Client, way: ClientWay): Promise<void> {
  await using scene = await Scene.open(way.shortLifeMs);
  const daemon = await serveWarm(scene, way);
  const program = await start(scene, client, way, daemon, way.whenSessionsAreShort);
  await program.ask("before");

  const before = new Set(scene.recorder.issued);
  await daemon.restart();
  await askUntil("a session of the new daemon is used", { scene, client, program }, (used) =>
    used.some((session) => !before.has(session)),
  );
  await program.finish();

  expect(scene.complaints).toEqual([]);
}

async function stsDown(client: Client, way: ClientWay): Promise<void> {
  await using scene = await Scene.open(OUTAGE_LIFE_MS);
  const daemon = await serveWarm(scene, way);
  const program = await start(scene, client, way, daemon, way.whenSessionsAreShort);
  await program.ask("before");

  scene.recorder.stopSts();
  await until("a renewal fails", () => scene.recorder.unanswered > 0, OUTAGE_LIFE_MS);
  await program.ask("during");
  const another = await start(scene, client, way, daemon);
  await another.ask("anew");
  await another.finish();
  await program.finish();

  expect(await client.prove(scene)).toEqual(scene.recorder.sessionsOf(READER));
  expect(scene.recorder.sessionsOf(READER)).toHaveLength(1);
  expect(scene.complaints.every((line) => line.includes("still serving"))).toBe(true);
}

async function wrongHost(client: Client, way: ClientWay): Promise<void> {
  await using scene = await Scene.open();
  // The client finds the relay where crossrole would be, and the relay finds crossrole elsewhere.
  const daemon = await serveWarm(scene, way, ELSEWHERE);
  const rebound = WAYS[way.by].address;
  await scene.rebind(rebound, daemon.address);

  const program = await start(scene, client, way, daemon, {}, rebound);
  await program.fail("rebound");

  expect(scene.complaints.filter((line) => line.includes("ERR_HOST_REFUSED"))).not.toEqual([]);
  expect(scene.complaints.filter((line) => !line.includes("ERR_HOST_REFUSED"))).toEqual([]);
  expect(scene.recorder.toS3.filter(({ accessKeyId }) => accessKeyId !== "")).toEqual([]);
}

/** A daemon that holds credentials, so that no client has to wait for STS. */
async function serveWarm(scene: Scene, { by }: ClientWay, address?: string): Promise<Daemon> {
  const daemon = await serve(scene, by, address);
  await until("credentials are held", () => scene.recorder.sessionsOf(READER).length > 0);
  return daemon;
}

/** Starts the client beside a daemon that it finds at `address`. */
async function start(
  scene: Scene,
  { command, environment }: Client,
  { by, readsNoTokenFile }: ClientWay,
  daemon: Daemon,
  additions: Environment = {},
  address?: string,
): Promise<Program> {
  const said = await WAYS[by].tell(daemon, address);
  const told = readsNoTokenFile === true ? await withTokenValue(said) : said;
  return scene.start(command, { ...scene.client, ...told, ...environment, ...additions });
}

/** Lets the program work until the sessions that it has used are enough. */
function askUntil(
  what: string,
  { scene, client, program }: { scene: Scene; client: Client; program: Program },
  isEnough: (sessions: readonly Issued[]) => boolean,
): Promise<readonly Issued[]> {
  return until(
    what,
    async () => {
      await program.ask("order");
      // Fast enough to meet every renewal, slow enough to leave the processor to the others.
      await delay(100);
      const sessions = await client.prove(scene);
      return isEnough(sessions) && sessions;
    },
    60_000,
  );
}
