// An application's own way to its credentials, with nothing but Node: prints the role and the access key id.
import { request } from "node:http";

const { AWS_EC2_METADATA_SERVICE_ENDPOINT: url, AWS_ACCESS_KEY_ID: own = "no key" } = process.env;
const LIST = "/latest/meta-data/iam/security-credentials/";

function ask(path, method, headers) {
  return new Promise((resolve, reject) => {
    const outgoing = request(url + path, { method, headers, agent: false }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (chunk) => (body += chunk));
      answer.on("end", () => resolve(body));
    });
    outgoing.once("error", reject).end();
  });
}

const ttl = { "X-aws-ec2-metadata-token-ttl-seconds": "60" };
const token = await ask("/latest/api/token", "PUT", ttl);
const headers = { "X-aws-ec2-metadata-token": token };
const role = await ask(LIST, "GET", headers);
const document = JSON.parse(await ask(LIST + role, "GET", headers));
console.log(own, role, document.AccessKeyId);
