/** @module The log lines of the daemon: one per renewal and per refusal, none per successful request. */
import { podOfSource } from "../credentials/types.ts";
import type { CredentialEvent, CredentialSource } from "../credentials/types.ts";
import { CrossroleError, messageOf } from "../errors.ts";
import type { OnRefused } from "../http/answer.ts";
import type { Log, LogFields } from "../log.ts";

/** Refusals written in one second; what is beyond is counted, so that a flood fills no disk. */
const REFUSALS_PER_SECOND = 20;

/** A skew that is worth a warning: 30 seconds. */
const LOUD_SKEW_MS = 30_000;

export function auditCredentials(log: Log): (event: CredentialEvent) => void {
  return (event) => {
    const what = fieldsOf(event.source);
    switch (event.type) {
      case "obtained": {
        const { credentials, elapsedMs } = event;
        const fields = {
          ...what,
          accessKeyId: credentials.accessKeyId,
          stsRequestId: credentials.requestId,
          expiration: credentials.expiration?.toISOString(),
          elapsedMs: Math.round(elapsedMs),
        };
        log.info(event.renewal ? "credentials renewed" : "credentials obtained", fields);
        return;
      }
      case "failed": {
        const fields = {
          ...what,
          ...reasonOf(event.error),
          remainingSeconds: Math.round(event.remainingMs / 1000),
          retryInSeconds: Math.round(event.retryInMs / 1000),
        };
        if (event.remainingMs > 0) log.warn("renewal failed, still serving", fields);
        else log.error("credentials not obtained", fields);
        return;
      }
      case "restored": {
        const { accessKeyId, expiration } = event.credentials;
        const fields = { ...what, accessKeyId, expiration: expiration?.toISOString() };
        log.info("credentials taken over from before the restart", fields);
        return;
      }
      case "lapsed":
        log.info("session lapsed, nobody asked for it", what);
        return;
      case "dropped":
        log.info("session dropped, it is no longer wanted", what);
    }
  };
}

export function auditSkew(log: Log): (skewMs: number) => void {
  return (skewMs) => {
    const fields = { skewSeconds: Math.round(skewMs / 1000) };
    if (Math.abs(skewMs) > LOUD_SKEW_MS) log.warn("the clock is off STS's; corrected for", fields);
    else log.info("clock skew measured", fields);
  };
}

/** Lines for requests that were not served, of one listener. */
export function auditRefusals(log: Log, listener: string, now: () => number): OnRefused {
  let second = 0;
  let written = 0;
  let unwritten = 0;
  return (error, asked) => {
    const current = Math.floor(now() / 1000);
    if (current !== second) {
      if (unwritten > 0) log.warn("more requests were refused", { listener, count: unwritten });
      second = current;
      written = unwritten = 0;
    }
    if (written >= REFUSALS_PER_SECOND) {
      unwritten++;
      return;
    }
    written++;
    log.warn("request refused", { listener, ...asked, ...reasonOf(error) });
  };
}

function fieldsOf(source: CredentialSource): LogFields {
  if (source.kind === "base") return { base: source.name, provider: source.provider.kind };
  const pod = podOfSource(source);
  const { roleArn, sessionName } = source;
  if (pod === undefined) return { roleArn, sessionName };
  return { roleArn, sessionName, namespace: pod.namespace, pod: pod.name, podUid: pod.uid };
}

/** Code and message; of an error that is none of ours the stack too: that one is a fault of crossrole. */
function reasonOf(error: unknown): LogFields {
  if (error instanceof CrossroleError) return { code: error.code, reason: error.message };
  return { reason: messageOf(error), stack: error instanceof Error ? error.stack : undefined };
}
