/** @module The program with the SDK for Java v2. */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Installer } from "../../support/installer.ts";
import { run } from "../../support/tool.ts";
import { source } from "./source.ts";

const [POM, PROGRAM] = [source("programs/java/pom.xml"), source("programs/java/Orders.java")];

const ADVICE = "install a JDK 17 or newer, and Maven (on Debian: default-jdk-headless maven)";

export const installJava: Installer = {
  name: "java",
  pins: [POM, PROGRAM],
  // On stdout, unlike `-version`.
  dependsOn: () => run(["javac", "--version"], ADVICE),
  install: async (folder) => {
    const [library, repository] = [path.join(folder, "lib"), path.join(folder, "repository")];
    const copy = ["dependency:copy-dependencies", `-DoutputDirectory=${library}`];
    const maven = ["mvn", "-q", "-B", "-f", POM, `-Dmaven.repo.local=${repository}`, ...copy];
    await run(maven, `${ADVICE}, and see that Maven reaches a repository`);
    const classes = path.join(folder, "classes");
    await run(["javac", "-cp", path.join(library, "*"), "-d", classes, PROGRAM], ADVICE);
    await rm(repository, { recursive: true });
  },
};
