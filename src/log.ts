/** @module Log events, not sentences: a constant first, then fields that are scalars only. */
import { pino } from "pino";
import type { DestinationStream } from "pino";

/** Scalars only, so that a credentials object does not type-check as something to be logged. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  /** Something that helps to find a fault; off by default. */
  debug(event: string, fields?: LogFields): void;
  /** Something changed. */
  info(event: string, fields?: LogFields): void;
  /** Still serving, but should be looked at. */
  warn(event: string, fields?: LogFields): void;
  /** Somebody is not served. */
  error(event: string, fields?: LogFields): void;
}

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A log of JSON lines on `destination` (one object a line, `time` in ISO 8601). */
export function createLog(level: LogLevel, destination: DestinationStream): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const line =
    (method: "debug" | "info" | "warn" | "error") =>
    (event: string, fields: LogFields = {}) => {
      logger[method](fields, event);
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
