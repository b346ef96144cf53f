// Bundles src/ into the folder named as the first argument, with hashed names, and writes
// manifest.json (source name -> file) and THIRD_PARTY_LICENSES.txt (of everything that went in).
import { build } from "esbuild";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const out = process.argv[2] ?? "../static/dist";
// modules: what several of them import goes into chunks that they share
const modules = [
  "shell.js",
  "composer-rich.js", // the composer imports it late
  "schema.js", // the page of the API; nobody else loads it
  ...inPages(".js"),
];
// workers and worklets are classic scripts
const classic = ["socket-worker.js", "microphone-worklet.js", "player-worklet.js"];
const sheets = ["app.css", "schema.css", "icon.svg", ...inPages(".css")];

/** What single pages load beside the shell's: src/pages/NAME.js and .css. */
function inPages(ending) {
  return readdirSync("src/pages").filter((name) => name.endsWith(ending)).map((name) => `pages/${name}`);
}

function bundled(entries, how) {
  return build({
    entryPoints: entries.map((name) => `src/${name}`),
    entryNames: "[name]-[hash]",
    chunkNames: "chunk-[hash]",
    outdir: out,
    bundle: true,
    minify: true,
    target: "es2022",
    loader: { ".svg": "copy" },
    metafile: true,
    ...how,
  });
}

const made = await Promise.all([
  bundled(modules, { format: "esm", splitting: true }),
  bundled(classic, { format: "iife" }),
  bundled(sheets, {}),
]);
const outputs = made.flatMap(({ metafile }) => Object.entries(metafile.outputs));

function manifest() {
  const entries = outputs.filter(([, output]) => output.entryPoint);
  return Object.fromEntries(entries.map(([file, { entryPoint }]) => [entryPoint.replace(/^src\//, ""), basename(file)]));
}

function packages() {
  const folders = new Set();
  for (const input of outputs.flatMap(([, output]) => Object.keys(output.inputs))) {
    const found = input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//);
    if (found) folders.add(found[1]);
  }
  return [...folders].sort();
}

function licence(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json")));
  const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
  if (!file) throw new Error(`${name} ${version} (${license}) ships no licence text to pass on`);
  const files = readdirSync(folder).filter((entry) => entry === file || /^notice/i.test(entry));
  const texts = files.map((entry) => readFileSync(join(folder, entry), "utf8"));
  return `${name} ${version} (${license})\n\n${texts.join("\n")}\n`;
}

const names = manifest();
const missing = [...modules, ...classic, ...sheets].filter((name) => !names[name]);
if (missing.length) throw new Error(`not built: ${missing.join(", ")}`);
writeFileSync(join(out, "manifest.json"), JSON.stringify(names, null, 2) + "\n");
writeFileSync(join(out, "THIRD_PARTY_LICENSES.txt"), packages().map(licence).join("\n"));

const WORTH = 1_000; // bytes; shorter ones gain nothing
for (const file of outputs.map(([file]) => file)) {
  const content = readFileSync(file);
  if (content.length < WORTH) continue;
  writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
  writeFileSync(`${file}.br`, brotliCompressSync(content));
}
