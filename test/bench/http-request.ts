/** @module A request as an SDK would write it. */

export function httpRequest(
  method: string,
  path: string,
  port: number,
  headers: Readonly<Record<string, string>>,
): string {
  const lines = Object.entries({
    Host: `127.0.0.1:${port}`,
    "User-Agent": "Boto3/1.40 bench",
    "Accept-Encoding": "identity",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}
