/** @module `crossrole schema`: the JSON Schema of the configuration file. */
import type { Command } from "commander";
import { jsonSchema } from "../config/schema.ts";
import { examples } from "./help.ts";

export function schemaCommand(parent: Command): void {
  parent
    .command("schema")
    .description("print the JSON Schema of the configuration file")
    .addHelpText(
      "after",
      examples(
        "crossrole schema > crossrole.schema.json",
        "crossrole schema | npx ajv-cli validate --spec=draft2020 -s /dev/stdin -d crossrole.yaml",
      ),
    )
    .action(() => {
      process.stdout.write(`${JSON.stringify(jsonSchema(), undefined, 2)}\n`);
    });
}
