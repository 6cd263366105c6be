const { createInterface } = require("node:readline");
const { S3 } = require("aws-sdk");

// It does not know AWS_ENDPOINT_URL.
const s3 = new S3({ endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true });

async function main() {
  for await (const key of createInterface(process.stdin)) {
    await s3.putObject({ Bucket: "orders", Key: key, Body: "an order" }).promise();
    console.log((await s3.listObjectsV2({ Bucket: "orders" }).promise()).KeyCount);
  }
}

void main();
