/** @module Commands of the README that are other programs', and the suite that runs each, or its like. */
import manifest from "../../package.json" with { type: "json" };

interface Suite {
  /** The file of the suite. */
  readonly file: string;
  /** What of it runs the command. */
  readonly has: string;
}

const TARBALL = `./crossrole-${manifest.version}.tgz`;
const INSTALLED = {
  file: "test/ship/package.test.ts",
  has: '["install", "--offline", "--no-audit", "--no-fund", packed.filename]',
};

export const ELSEWHERE: Readonly<Record<string, Suite>> = {
  "npm ci": { file: ".ci/run", has: "npm ci" },
  "npm test": { file: ".ci/run", has: "npm test" },
  "npm run demo": { file: "test/ship/bundle.test.ts", has: 'run(["demo"]' },
  "npm pack": { file: "test/ship/package.test.ts", has: '["pack", "--ignore-scripts"' },
  [`npm install --global ${TARBALL}`]: INSTALLED,
  [`npm install --save-dev ${TARBALL}`]: INSTALLED,
  "npx crossrole --version": {
    file: "test/ship/package.test.ts",
    has: '"exec", "--no", "--", "crossrole", "--version"',
  },
  // By buildah, which needs no daemon.
  "docker build -t crossrole .": { file: "test/ship/image.ts", has: 'buildah(["build"' },
  // Its services, each in a container of the image; Compose itself is not run.
  "docker compose -f deploy/compose/compose.yaml up": {
    file: "test/ship/image.test.ts",
    has: 'path.join(folder, "compose.yaml")',
  },
  // As kubectl does it, over HTTP, to a real API server.
  "kubectl apply -f deploy/sidecar/sidecar.yaml": {
    file: "test/cluster/chart.test.ts",
    has: '"sidecar/sidecar.yaml"',
  },
  "kubectl apply --server-side -f deploy/kubernetes/install.yaml": {
    file: "test/cluster/chart.test.ts",
    has: "applyAll(plane, parseManifests(text))",
  },
  "helm install crossrole deploy/helm/crossrole --namespace crossrole-system --values values.yaml":
    { file: "test/cluster/helm.ts", has: '["template", "crossrole", CHART' },
  "systemctl restart crossrole.service": {
    file: "test/ship/systemd.test.ts",
    has: '["systemctl", "restart", "crossrole.service"]',
  },
  "systemctl reload crossrole.service": {
    file: "test/ship/systemd.test.ts",
    has: '["systemctl", "reload", "crossrole.service"]',
  },
};

/** Programs that a command may begin with, besides crossrole itself. */
export const OTHERS = ["npm", "npx", "docker", "kubectl", "helm", "systemctl"] as const;

/** Those in `commands` that no suite runs. */
export function uncovered(commands: readonly string[]): string[] {
  return commands.filter((command) => !(command in ELSEWHERE));
}
