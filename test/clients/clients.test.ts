import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { CLIENTS } from "./clients.ts";
import type { Client } from "./clients.ts";
import { BASE_KEYS, crossrole, GATEWAY, READER, roleFlags } from "./crossrole.ts";
import type { Program } from "./program.ts";
import { Scene } from "./scene.ts";
import { until } from "./until.ts";

const GENERATIONS = 3;

/** How long STS takes from a client's first request: it asks for credentials before they are there. */
const STS_TAKES_MS = 150;

/** Each way to start a client beside crossrole or under it. */
const WAYS = {
  serve: async (scene: Scene, { command, environment, whenSessionsAreShort }: Client) => {
    const { client } = await serve(scene);
    return scene.start(command, { ...client, ...environment, ...whenSessionsAreShort });
  },
  exec: (scene: Scene, { command, environment, whenSessionsAreShort }: Client) =>
    Promise.resolve(
      scene.start(crossrole("exec", ...roleFlags(scene.url), "--", ...command), {
        ...BASE_KEYS,
        ...scene.endpoint,
        ...environment,
        ...whenSessionsAreShort,
      }),
    ),
} as const satisfies Record<string, (scene: Scene, client: Client) => Promise<Program>>;

describe.concurrent.each(CLIENTS)("$name $version", (client) => {
  const { command, environment } = client;

  it("gets its first credentials while the role is assumed for the first time", async () => {
    await using scene = await Scene.open();
    const release = scene.recorder.hold(READER);
    const daemon = await serve(scene);
    await until("the gateway is assumed", () => scene.recorder.sessionsOf(GATEWAY).length === 1);
    const tap = await scene.tap(daemon.url);

    const program = scene.start(command, { ...tap.client, ...environment });
    const letThrough = async () => {
      await tap.asked;
      await delay(STS_TAKES_MS);
      expect(scene.recorder.sessionsOf(READER), "sessions after the first request").toEqual([]);
      release();
    };
    await Promise.all([program.ask("cold"), letThrough()]);
    await program.finish();

    expect(scene.complaints).toEqual([]);
    expect(scene.provenSessions()).toEqual(scene.recorder.sessionsOf(READER));
    expect(scene.provenSessions()).toHaveLength(1);
  });

  it("is answered from memory when it is started again", async () => {
    await using scene = await Scene.open();
    const daemon = await serve(scene);

    for (const key of ["first", "second"]) {
      const program = scene.start(command, { ...daemon.client, ...environment });
      await program.ask(key);
      await program.finish();
    }

    expect(scene.complaints).toEqual([]);
    expect(scene.provenSessions()).toEqual(scene.recorder.sessionsOf(READER));
    expect(scene.recorder.issued.map(({ roleArn }) => roleArn)).toEqual([GATEWAY, READER]);
  });

  it.each(["serve", "exec"] as const)(
    "goes on without an error while its session is renewed, by crossrole %s",
    async (way) => {
      await using scene = await Scene.open(client.shortLifeMs);
      const program = await WAYS[way](scene, client);

      await until(
        `${GENERATIONS} sessions are used`,
        async () => {
          await program.ask("order");
          // Fast enough to meet every renewal, slow enough to leave the processor to the others.
          await delay(100);
          return scene.provenSessions().length >= GENERATIONS;
        },
        60_000,
      );
      await program.finish();

      expect(scene.complaints).toEqual([]);
      expect(scene.provenSessions().length).toBeGreaterThanOrEqual(GENERATIONS);
    },
  );
});

function serve(scene: Scene) {
  return scene.serve([...roleFlags(scene.url), "--listen", "127.0.0.1:0"], BASE_KEYS);
}
