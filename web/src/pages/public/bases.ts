// What a cap is a share of, in words; what newer rules add is shown by its name.

import { texts } from "../../lib/i18n.svelte.ts";

const word = texts(
  {
    surrender_obligation: "the surrender obligation",
    actual_emissions: "actual emissions",
    allocation: "the allocation",
    taxable_emissions: "taxable emissions",
  },
  {
    surrender_obligation: "应清缴配额",
    actual_emissions: "实际排放量",
    allocation: "配额分配量",
    taxable_emissions: "应税排放量",
  },
);

export function baseName(name: string): string {
  return word(name as Parameters<typeof word>[0]) ?? name.replaceAll("_", " ");
}
