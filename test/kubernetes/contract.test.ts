import { afterAll, beforeAll, describe } from "vitest";
import {
  listContract,
  refusalContract,
  reflectorContract,
  tokenRequestContract,
} from "./contract.ts";
import { startFakeBackend } from "./fake-backend.ts";
import type { FakeBackend } from "./fake-backend.ts";

describe.each([
  { tier: "impersonation", watchList: "on" },
  { tier: "rbac", watchList: "on" },
  { tier: "impersonation", watchList: "unsupported" },
  { tier: "rbac", watchList: "disabled" },
] as const)("the fake API server with $tier and streamed lists $watchList", (options) => {
  let backend: FakeBackend;

  beforeAll(async () => {
    backend = await startFakeBackend(options);
  });

  afterAll(() => backend.api[Symbol.asyncDispose]());

  reflectorContract(() => backend);
  listContract(() => backend);
  tokenRequestContract(() => backend);
  refusalContract(() => backend, options.tier);
});
