/** @module One test's own world: a recorder in front of moto, an empty home, and what was started in it. */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { inject } from "vitest";
import { crossrole, READER, REGION } from "./crossrole.ts";
import { makeBucket } from "./moto.ts";
import { Program } from "./program.ts";
import { Recorder } from "./recorder.ts";
import type { Issued } from "./recorder.ts";
import { isSignedWith } from "./signature.ts";
import { openTap } from "./tap.ts";
import type { Tap } from "./tap.ts";

/** The bucket of the role's account that every program works on. */
const BUCKET = "orders";

type Environment = Readonly<Record<string, string>>;

export class Scene implements AsyncDisposable {
  readonly #home: string;
  readonly #started: Program[] = [];
  readonly #daemons: Program[] = [];
  readonly #taps: Tap[] = [];
  readonly recorder: Recorder;
  /** Of STS and S3, as everybody in this scene knows them. */
  readonly url: string;

  private constructor(home: string, recorder: Recorder, url: string) {
    this.#home = home;
    this.recorder = recorder;
    this.url = url;
  }

  /** @param lifeMs how long STS's sessions live; an hour without it. */
  static async open(lifeMs?: number): Promise<Scene> {
    const home = await mkdtemp(path.join(tmpdir(), "crossrole-clients-"));
    await cp(path.join(import.meta.dirname, "programs"), home, { recursive: true });
    await symlink(inject("tools").nodeModules, path.join(home, "node_modules"));
    const motoUrl = inject("motoUrl");
    await makeBucket(motoUrl, "222222222222", BUCKET);
    const recorder = new Recorder(motoUrl, lifeMs);
    return new Scene(home, recorder, await recorder.listen());
  }

  /** What tells a client where S3 is; crossrole is told by its own flags alone. */
  get endpoint(): Environment {
    return { AWS_ENDPOINT_URL: this.url };
  }

  /** A path in the home folder, where the programs are. */
  file(name: string): string {
    return path.join(this.#home, name);
  }

  /** Starts a program that has nothing of this process's environment but the path. */
  start(command: readonly string[], environment: Environment = {}): Program {
    const { bin } = inject("tools");
    const env = {
      PATH: `${bin}${path.delimiter}${process.env["PATH"]}`,
      HOME: this.#home,
      ...environment,
    };
    const program = new Program(command, { env, cwd: this.#home });
    this.#started.push(program);
    return program;
  }

  /** Starts the daemon. @returns what a client that is not its child is told. */
  async serve(
    args: readonly string[],
    environment: Environment,
  ): Promise<{ url: string; client: Environment }> {
    const program = this.start(crossrole("serve", ...args), environment);
    this.#daemons.push(program);
    const [, url = ""] = await program.said(
      "stdout",
      /^export AWS_EC2_METADATA_SERVICE_ENDPOINT=(.+)$/m,
    );
    return { url, client: this.#clientOf(url) };
  }

  /** What the daemons have written at `warn` or above. */
  get complaints(): string[] {
    const lines = this.#daemons.flatMap(({ stderr }) => stderr.split("\n"));
    return lines.filter((line) => /"level":"(?:warn|error)"/.test(line));
  }

  /** A relay in front of the daemon. */
  async tap(url: string): Promise<{ asked: Promise<void>; client: Environment }> {
    const tap = await openTap(url);
    this.#taps.push(tap);
    return { asked: tap.asked, client: this.#clientOf(tap.url) };
  }

  /**
   * The sessions that signed what S3 was asked, in order, with the proof that each request was signed
   * with what STS issued for {@link READER}, carried the session token byte for byte, came before the
   * expiration, and was answered.
   */
  provenSessions(): readonly Issued[] {
    const proven = new Set<Issued>();
    const { issued, toS3 } = this.recorder;
    assert.notEqual(toS3.length, 0, "S3 was asked nothing");
    for (const request of toS3) {
      const session = issued.find(({ accessKeyId }) => accessKeyId === request.accessKeyId);
      assert.ok(session, `STS never issued ${JSON.stringify(request.accessKeyId)}`);
      assert.equal(session.roleArn, READER);
      assert.equal(request.headers["x-amz-security-token"], session.sessionToken);
      assert.ok(isSignedWith(request, session.secretAccessKey), "signed with another secret");
      assert.ok(request.atMs < session.expirationMs, "signed with what had expired");
      assert.equal(request.status, 200, `S3 to ${request.method} ${request.target}`);
      proven.add(session);
    }
    return [...proven];
  }

  /** Ends what was started, the last first. @throws Error when something of it stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const program of this.#started.toReversed())
      await program.stop().catch((error: unknown) => failures.push(error));
    await Promise.all(this.#taps.map((tap) => tap.close()));
    await this.recorder.close();
    await rm(this.#home, { recursive: true });
    if (failures.length > 0) throw new AggregateError(failures, "a program stayed");
  }

  #clientOf(url: string): Environment {
    return {
      ...this.endpoint,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: url,
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
    };
  }
}
