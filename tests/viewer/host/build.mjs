// Bundles the host page's script, with the packages that the viewer has: node build.mjs OUT

import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const viewer = new URL("../../../viewer/", import.meta.url);
const { rolldown } = await import(pathToFileURL(createRequire(new URL("package.json", viewer)).resolve("rolldown")).href);
const bundle = await rolldown({
  input: fileURLToPath(new URL("host.ts", import.meta.url)),
  platform: "browser",
  resolve: { modules: [fileURLToPath(new URL("node_modules", viewer))] },
});
await bundle.write({ file: process.argv[2], format: "iife" });
