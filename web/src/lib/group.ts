// Runs gathered by the value of one field: heads with their runs under them, flat, as a table shows them.
import { numberOf, valueOf, type Field } from "./fields";
import { tagOf, type Run } from "./mlflow";

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

/** The run that this one is inside, if it says so. */
export const parentOf = (run: Run) => tagOf(run.data.tags, "mlflow.parentRunId");

export interface Nest { lines: Run[]; inside: ReadonlyMap<string, Run[]>; depth: ReadonlyMap<string, number> }

/** Runs under the run they are inside, as far as that one is here too; `open` says whose are shown. */
export function nested(runs: Run[], open: ReadonlySet<string>): Nest {
  const here = new Map(runs.map((run) => [run.info.run_id, run]));
  const around = (run: Run) => here.get(parentOf(run) ?? "");
  // Tags may say that runs are inside each other: such a run is an outer one, or nothing would show it.
  const insideItself = (run: Run) => {
    const climbed = new Set<Run>();
    for (let at = around(run); at && !climbed.has(at); at = around(at)) climbed.add(at);
    return climbed.has(run);
  };
  const inside = new Map<string, Run[]>();
  const outer: Run[] = [];
  for (const run of runs) {
    const parent = around(run);
    if (!parent || insideItself(run)) {
      outer.push(run);
      continue;
    }
    const known = inside.get(parent.info.run_id);
    if (known) known.push(run);
    else inside.set(parent.info.run_id, [run]);
  }
  const lines: Run[] = [];
  const depth = new Map<string, number>();
  const add = (run: Run, at: number) => {
    lines.push(run);
    depth.set(run.info.run_id, at);
    if (open.has(run.info.run_id)) for (const one of inside.get(run.info.run_id) ?? []) add(one, at + 1);
  };
  for (const run of outer) add(run, 0);
  return { lines, inside, depth };
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
