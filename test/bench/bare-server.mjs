/**
 * @module What everything is measured against: node:http and nothing else, with the answer it is given.
 * Not TypeScript, because its start is measured too.
 */
import { createServer } from "node:http";

const { headers = {}, body = "" } = JSON.parse(process.argv[2] ?? "{}");

const server = createServer({ keepAliveTimeout: 75_000 }, (_request, response) => {
  response.writeHead(200, { ...headers, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${server.address().port}\n`);
});
