// Runs a command that goes on for ever as a person tries it: until its first words, then it is told to end.
import { spawn } from "node:child_process";

const [program, ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
child.stdout.once("data", (words) => {
  process.stdout.write(words);
  child.kill("SIGTERM");
});
child.once("exit", (code, signal) => {
  process.exitCode = signal === "SIGTERM" ? 0 : (code ?? 1);
});
