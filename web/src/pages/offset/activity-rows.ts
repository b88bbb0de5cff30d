// Lines of activity data while they are filled in.

import type { EventRules, SourceBody } from "../../lib/api-types.ts";

export interface ActivityRow {
  activity: string;
  amount: string;
  unit: string;
}

export function emptyRow(): ActivityRow {
  return { activity: "grid", amount: "", unit: "kWh" };
}

// Lines without an amount are left out.
export function bodiesOf(rules: EventRules | null, rows: readonly ActivityRow[]): SourceBody[] {
  return rows
    .filter((row) => row.amount !== "")
    .map((row) => ({
      source: rules?.factors.find((factor) => factor.activity === row.activity)?.emission_source ?? "",
      ...row,
    }));
}
