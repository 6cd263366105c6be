/** @module An STS for a network namespace, at port 9912: it prints the key that it knows, and stays. */
import { startFakeSts } from "../support/fake-sts.ts";
import { READER } from "../support/program.ts";

const sts = await startFakeSts({ port: 9_912 });
sts.addRole({ arn: READER });
const { accessKeyId, secretAccessKey } = sts.addKey();
process.stdout.write(`${JSON.stringify({ accessKeyId, secretAccessKey })}\n`);
