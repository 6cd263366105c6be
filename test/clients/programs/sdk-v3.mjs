import { createInterface } from "node:readline";
import { ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const s3 = new S3Client({});
for await (const key of createInterface(process.stdin)) {
  await s3.send(new PutObjectCommand({ Bucket: "orders", Key: key, Body: "an order" }));
  console.log((await s3.send(new ListObjectsV2Command({ Bucket: "orders" }))).KeyCount);
}
