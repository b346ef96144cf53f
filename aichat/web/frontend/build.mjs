// Bundles src/ into the folder named as the first argument, with hashed names, and writes
// manifest.json (source name -> file) and THIRD_PARTY_LICENSES.txt (of everything that went in).
import { build } from "esbuild";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const out = process.argv[2] ?? "../static/dist";
const entries = [
  "app.js", "socket-worker.js", "mic-worklet.js", "player-worklet.js", "app.css", "icon.svg",
  "schema.js", "schema.css", // the page of the API; nobody else loads them
];

const modules = ["composer-rich.js"]; // what the page imports late

const how = {
  entryNames: "[name]-[hash]",
  outdir: out,
  bundle: true,
  minify: true,
  target: "es2022",
  loader: { ".svg": "copy" },
  metafile: true,
};
const sources = (names) => names.map((name) => `src/${name}`);
const made = await Promise.all([
  // workers and worklets are classic scripts, and so is the page's
  build({ ...how, entryPoints: sources(entries), format: "iife" }),
  build({ ...how, entryPoints: sources(modules), format: "esm" }),
]);
const outputs = made.flatMap(({ metafile }) => Object.entries(metafile.outputs));

function manifest() {
  const bundles = outputs.filter(([, output]) => output.entryPoint);
  return Object.fromEntries(bundles.map(([file, output]) => [basename(output.entryPoint), basename(file)]));
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
const missing = [...entries, ...modules].filter((name) => !names[name]);
if (missing.length) throw new Error(`not built: ${missing.join(", ")}`);
writeFileSync(join(out, "manifest.json"), JSON.stringify(names, null, 2) + "\n");
writeFileSync(join(out, "THIRD_PARTY_LICENSES.txt"), packages().map(licence).join("\n"));
