// Passes connections on: `relay.mjs LISTEN UPSTREAM [HOST]`. With HOST every request that goes through
// is for that name: what a client sends whose own name for crossrole is another.
import { connect, createServer } from "node:net";

const [listen, upstream, host] = process.argv.slice(2);
const FROM = /^host:.*$/im;

function target(address) {
  const [name, port] = address.split(":");
  return port === undefined ? { path: name } : { host: name, port: Number(port) };
}

const server = createServer((client) => {
  const onward = connect(target(upstream));
  client.on("error", () => onward.destroy()).on("close", () => onward.destroy());
  onward.on("error", () => client.destroy()).on("close", () => client.destroy());
  onward.pipe(client);
  if (host === undefined) client.pipe(onward);
  else client.on("data", (bytes) => onward.write(renamed(bytes.toString("latin1")), "latin1"));
});

/** The requests of metadata clients have no body, and come in one piece. */
function renamed(request) {
  return request.replace(FROM, `Host: ${host}`);
}

server.listen(target(listen), () => console.log("listening"));
