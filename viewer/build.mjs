// Builds the page: one HTML file with its script and style inside, which loads nothing.
//
//   node build.mjs [OUT]     OUT: default ../agent_tools/server/viewer/viewer.html
//
// The same sources give the same bytes: a test builds the page again and compares.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const LARGEST_BYTES = 400_000;
const STYLES = ["base", "page", "player", "panel", "timeline", "library", "narrow"]; // a later rule wins over an earlier one
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = process.argv[2] ?? here("../agent_tools/server/viewer/viewer.html");

// zod's messages in fifty languages are never shown here: one language stays.
const oneLanguage = {
  name: "one-language",
  load: (id) => (/zod\/v4\/locales\/index\.js$/.test(id) ? 'export { default as en } from "./en.js";' : null),
};

const bundle = await rolldown({
  input: here("src/main.tsx"),
  cwd: here("."),
  platform: "browser",
  tsconfig: here("tsconfig.json"),
  plugins: [oneLanguage],
  // Nothing in a package is run for its side effects alone: unused schemas of the protocol are left out.
  treeshake: { moduleSideEffects: [{ test: /node_modules/, sideEffects: false }, { test: /./, sideEffects: true }] },
});
const built = await bundle.generate({ format: "iife", minify: true });
const script = built.output[0].code.replaceAll("</script", "<\\/script").trim();
const style = STYLES.map((name) => readFileSync(here(`src/style/${name}.css`), "utf8"))
  .join("\n")
  .replace(/\/\*[\s\S]*?\*\//g, "")
  .replace(/\s*\n\s*/g, " ")
  .replace(/\s*([{};,])\s*/g, "$1")
  .trim();
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "img-src data: blob:",
  "media-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
const page = readFileSync(here("src/page.html"), "utf8")
  .replace("{{policy}}", () => policy)
  .replace("{{style}}", () => style)
  .replace("{{script}}", () => script);
const size = Buffer.byteLength(page);
if (size > LARGEST_BYTES) throw new Error(`the page has ${size} bytes; at most ${LARGEST_BYTES} are allowed`);
writeFileSync(out, page);
process.stdout.write(`${out}: ${size} bytes\n`);
