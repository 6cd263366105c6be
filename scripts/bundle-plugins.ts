/** @module What the bundle does with imports: Node's own modules, and what stays in a file of its own. */
import { isBuiltin } from "node:module";
import path from "node:path";
import type { Plugin } from "esbuild";
import { ROOT } from "./run.ts";

/** The packages of the AWS SDK that the program loads, once its listeners answer. */
export const AWS_SDK = {
  "client-sts": "@aws-sdk/client-sts",
  "credential-providers": "@aws-sdk/credential-providers",
} as const;

/**
 * Node's modules are asked for when they are used. An `import` of `node:http` reads all that it has
 * to give, which loads Node's fetch and its web sockets: a third of the time of a start.
 */
export const builtins: Plugin = {
  name: "builtins",
  setup(build) {
    build.onResolve({ filter: /./ }, ({ path: name }) =>
      isBuiltin(name)
        ? { path: name.replace(/^node:/, ""), namespace: "builtin", sideEffects: false }
        : undefined,
    );
    build.onLoad({ filter: /./, namespace: "builtin" }, ({ path: name }) => ({
      contents: `module.exports = process.getBuiltinModule("node:${name}")`,
      loader: "js",
    }));
  },
};

/** The SDK stays in the folder `aws-sdk` of `lib`, for which `from` has the relative path `lib`. */
export function awsSdkBeside(lib: string): Plugin {
  return {
    name: "aws-sdk",
    setup(build) {
      build.onResolve({ filter: /^@aws-sdk\// }, ({ path: name, importer }) => {
        const entry = Object.entries(AWS_SDK).find(([, wanted]) => wanted === name)?.[0];
        if (entry !== undefined) return { path: `${lib}/aws-sdk/${entry}.js`, external: true };
        if (!importer.startsWith(path.join(ROOT, "src"))) return undefined;
        return { errors: [{ text: `${name} is not in AWS_SDK of scripts/bundle-plugins.ts` }] };
      });
    },
  };
}

/** The program stays in a file of its own: one that V8 finds in its cache. */
export const programBeside: Plugin = {
  name: "program",
  setup(build) {
    build.onResolve({ filter: /^\.\/main\.ts$/ }, () => ({
      path: "./lib/main.js",
      external: true,
    }));
  },
};
