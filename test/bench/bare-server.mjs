/**
 * @module What everything is measured against: node:http and nothing else, with the answers it is given,
 * by path. Not TypeScript, because its start is measured too.
 */
import { createServer } from "node:http";

const answers = new Map(
  Object.entries(JSON.parse(process.argv[2] ?? "{}")).map(([path, { headers, body }]) => [
    path,
    { headers: { ...headers, "Content-Length": Buffer.byteLength(body) }, body },
  ]),
);
const other = { headers: { "Content-Length": 0 }, body: "" };

const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  const { headers, body } = answers.get(request.url) ?? other;
  response.writeHead(200, headers);
  response.end(body);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${server.address().port}\n`);
});
