/**
 * @module The demo's application: an AWS SDK client as anybody writes it, asking who it is every second.
 *
 * A program of its own: `node client.js SERVICE_URL`. It knows nothing of crossrole.
 */
import { setTimeout as delay } from "node:timers/promises";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const [, , endpoint = ""] = process.argv;

// No credentials here: the SDK looks for them where it always does.
const client = new STSClient({ region: "eu-west-1", endpoint });

// What went out on the wire, for the report.
let signed = "";
client.middlewareStack.add(
  (next) => (args) => {
    signed = JSON.stringify(args.request);
    return next(args);
  },
  { step: "deserialize", priority: "low" },
);

for (;;) {
  try {
    const { Account: account, Arn: arn } = await client.send(new GetCallerIdentityCommand());
    const accessKeyId = /Credential=(\w+)\//.exec(signed)?.[1];
    console.log(JSON.stringify({ account, arn, accessKeyId }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
  await delay(1_000);
}
