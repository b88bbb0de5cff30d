import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const COMPRESSED = /\.(js|css|html|svg|json)$/;

// Everything is compressed once, here, so that the gateway never does it.
function compress(): Plugin {
  return {
    name: "compress",
    apply: "build",
    writeBundle({ dir = "dist" }) {
      for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
        if (entry.isFile() && COMPRESSED.test(entry.name)) {
          const path = join(entry.parentPath, entry.name);
          const plain = readFileSync(path);
          writeFileSync(`${path}.br`, brotliCompressSync(plain));
          writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }));
        }
      }
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [svelte(), compress()],
  build: {
    target: "es2023",
    // The content security policy allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
