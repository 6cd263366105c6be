// An application: finds its credentials as EC2 or ECS would have it, and prints the access key id.
import { request } from "node:http";
import { text } from "node:stream/consumers";

const {
  AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata,
  AWS_CONTAINER_CREDENTIALS_FULL_URI: container,
  AWS_CONTAINER_AUTHORIZATION_TOKEN: authorization,
} = process.env;

function ask(url, headers, method = "GET") {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, (answer) => {
      text(answer).then(resolve, reject);
    });
    outgoing.once("error", reject).end();
  });
}

async function askMetadata() {
  const ttl = { "X-aws-ec2-metadata-token-ttl-seconds": "60" };
  const token = await ask(`${metadata}/latest/api/token`, ttl, "PUT");
  const headers = { "X-aws-ec2-metadata-token": token };
  const list = `${metadata}/latest/meta-data/iam/security-credentials/`;
  return await ask(list + (await ask(list, headers)), headers);
}

const document = await (container ? ask(container, { authorization }) : askMetadata());
console.log(`application: ${JSON.parse(document).AccessKeyId}`);
