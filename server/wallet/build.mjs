/**
 * Builds the wallet into the server's pages: one script, one style, the page, manifest, icon and service worker.
 * Scripts, style and icon have their content's hash in their names, so that they may be kept for ever.
 * Usage: node build.mjs [FOLDER]
 */

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const LIMIT = 60 * 1024;
const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? join(here, "..", "waypass_server", "pages", "wallet"));

const same = { bundle: true, minify: true, target: "es2022", write: false, legalComments: "inline", absWorkingDir: here };

/** The one file that comes of an entry. */
async function bundled(entry, options) {
  const { outputFiles } = await build({ ...same, ...options, entryPoints: [entry] });
  return outputFiles[0].text;
}

const digest = (text) => createHash("sha256").update(text).digest("hex").slice(0, 12);
const filled = (text, names) => text.replace(/\{(icon|style|script)\}/g, (_, name) => names[name]);
const read = (name) => readFile(join(here, "static", name), "utf8");

const script = await bundled("src/main.tsx", { format: "esm", jsx: "automatic", jsxImportSource: "preact" });
const style = await bundled("static/wallet.css", {});
const icon = await read("icon.svg");
const names = { script: `wallet.${digest(script)}.js`, style: `wallet.${digest(style)}.css`, icon: `icon.${digest(icon)}.svg` };
const page = filled(await read("index.html"), names);
const manifest = filled(await read("wallet.webmanifest"), names);
const files = ["./", "wallet.webmanifest", ...Object.values(names)];
const worker = await bundled("src/sw.ts", {
  format: "iife",
  define: { FILES: JSON.stringify(files), VERSION: JSON.stringify(digest(page + manifest)) },
});

const built = {
  "index.html": page,
  "wallet.webmanifest": manifest,
  "sw.js": worker,
  [names.script]: script,
  [names.style]: style,
  [names.icon]: icon,
};
await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
for (const [name, text] of Object.entries(built)) await writeFile(join(target, name), text);

const size = (text) => gzipSync(text, { level: 9 }).length;
const total = size(script) + size(worker);
for (const [name, text] of Object.entries(built)) console.log(`${name}: ${Buffer.byteLength(text)} bytes, ${size(text)} compressed`);
console.log(`script: ${total} bytes compressed, of at most ${LIMIT}`);
if (total > LIMIT) process.exit(1);
