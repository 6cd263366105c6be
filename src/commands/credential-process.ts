/** @module `crossrole credential-process`: for `~/.aws/config`, where a client knows no metadata service. */
import type { Command } from "commander";
import { toSeconds } from "../credentials/document.ts";
import { startDaemon } from "../daemon.ts";
import { examples } from "./help.ts";
import { chooseRole, load, processOptions, stderrLog, withRoleOptions } from "./options.ts";
import type { CommonFlags } from "./options.ts";
import { warm } from "./warm.ts";

interface CredentialProcessFlags extends CommonFlags {
  readonly role?: string;
}

export function credentialProcessCommand(parent: Command): void {
  const command = parent
    .command("credential-process")
    .description("print the credentials of a role as an AWS credential_process does");
  withRoleOptions(command, "silent")
    .option("--role <name>", "the role of the configuration file")
    .addHelpText(
      "after",
      examples(
        "crossrole credential-process --config /etc/crossrole/crossrole.yaml --role orders-reader",
        'printf "[profile orders]\\ncredential_process = crossrole credential-process --role orders-reader\\n" >> ~/.aws/config',
      ),
    )
    .action(credentialProcess);
}

/** @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
async function credentialProcess(flags: CredentialProcessFlags): Promise<void> {
  const { config } = await load(flags);
  const role = chooseRole(config, flags.role);
  const daemon = await startDaemon({
    config: { ...config, listeners: [], stateDirectory: undefined, operations: undefined },
    ...(await processOptions()),
    log: stderrLog(flags.logLevel),
  });
  try {
    const credentials = await warm(daemon, role.name);
    const output = {
      Version: 1,
      AccessKeyId: credentials.accessKeyId,
      SecretAccessKey: credentials.secretAccessKey,
      SessionToken: credentials.sessionToken,
      Expiration: toSeconds(credentials.expiration),
    };
    process.stdout.write(`${JSON.stringify(output)}\n`);
  } finally {
    await daemon.close();
  }
}
