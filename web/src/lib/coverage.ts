// Which axes a chart begins with: those that most of the runs have, and that tell them apart.
import { valueOf, type Field } from "./fields";
import type { Run } from "./mlflow";

/** More runs than these are not looked at: the first ones say enough. */
const LOOKED_AT = 500;

interface Seen { field: Field; share: number; differs: boolean }

function seen(runs: Run[], field: Field): Seen {
  const values = runs.map((run) => valueOf(run, field)).filter((value) => value !== undefined && value !== "" && value !== "NaN");
  return { field, share: runs.length > 0 ? values.length / runs.length : 0, differs: new Set(values.slice(0, 100)).size > 1 };
}

/** Fields in the order in which they are worth an axis; alike or rare ones come last, and otherwise nothing moves. */
export function worthiest(runs: Run[], fields: Field[]): Field[] {
  const some = runs.slice(0, LOOKED_AT);
  const rank = ({ share, differs }: Seen) => (differs ? 2 : 0) + (share >= 0.5 ? 1 : 0) + share;
  return fields.map((field) => seen(some, field)).sort((a, b) => rank(b) - rank(a)).map(({ field }) => field);
}

/** Of `fields`, at most `most` that at least half of the runs have, in their own order; where there is none, the first few. */
export function covered(runs: Run[], fields: Field[], most: number): Field[] {
  const best = worthiest(runs, fields).slice(0, most);
  const some = runs.slice(0, LOOKED_AT);
  const common = best.filter((field) => { const { share, differs } = seen(some, field); return differs && share >= 0.5; });
  const chosen = common.length > 0 ? common : best;
  return fields.filter((field) => chosen.includes(field));
}
