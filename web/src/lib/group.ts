// Runs gathered by the value of one field: heads with their runs under them, flat, as a table shows them.
import { numberOf, valueOf, type Field } from "./fields";
import type { Run } from "./mlflow";

export interface Group { group: string; runs: Run[]; open: boolean }
export type Line = Run | Group;

export const isGroup = (line: Line): line is Group => "group" in line;

export function grouped(runs: Run[], field: Field, open: ReadonlySet<string>): Line[] {
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    const value = String(valueOf(run, field) ?? "");
    const known = groups.get(value);
    if (known) known.push(run);
    else groups.set(value, [run]);
  }
  return [...groups].flatMap(([group, members]): Line[] => {
    const head = { group, runs: members, open: open.has(group) };
    return head.open ? [head, ...members] : [head];
  });
}

/** The least, the mean and the greatest of a metric in a group; undefined where no run has a finite one. */
export function spread(runs: Run[], field: Field): { least: number; mean: number; most: number } | undefined {
  const values = runs.map((run) => numberOf(run, field)).filter(Number.isFinite);
  if (values.length === 0) return undefined;
  let [least, most, sum] = [Infinity, -Infinity, 0];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value;
  }
  return { least, mean: sum / values.length, most };
}
