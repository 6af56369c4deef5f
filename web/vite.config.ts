// The build: one script and one stylesheet, names with a content hash, nothing fetched from outside.
import { readdirSync, readFileSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { marked } from "marked";
import { defineConfig, type Plugin } from "vite";

const docsDir = fileURLToPath(new URL("../docs", import.meta.url));

/** `virtual:docs`: every page of docs/*.md as HTML without its title, rendered here so that the browser parses no Markdown. */
function docs(): Plugin {
  return {
    name: "crannog-docs",
    resolveId: (id) => (id === "virtual:docs" ? "\0docs" : undefined),
    load: (id) => (id === "\0docs" ? `export default ${JSON.stringify(docPages())}` : undefined),
  };
}

function docPages() {
  if (!existsSync(docsDir)) return [];
  const names = readdirSync(docsDir).filter((name) => name.endsWith(".md")).sort();
  return names.map((name) => {
    const source = readFileSync(`${docsDir}/${name}`, "utf8");
    const title = /^#\s+(.+)$/m.exec(source)?.[1] ?? name.replace(/\.md$/, "");
    return { slug: name.replace(/\.md$/, ""), title, html: marked.parse(source.replace(/^#\s+.+$/m, ""), { async: false }) };
  });
}

export default defineConfig({
  plugins: [docs()],
  build: { outDir: "dist/app", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/api": "http://127.0.0.1:5999", "/ajax-api": "http://127.0.0.1:5999" } },
});
