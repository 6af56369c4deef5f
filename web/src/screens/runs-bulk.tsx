// What can be done with the chosen runs: compare, save as CSV, delete, restore.
import { useState } from "preact/hooks";
import { fieldId, headOf, nameOf, valueOf, type Field } from "../lib/fields";
import { plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import { useAction } from "../lib/use";
import { csv, save } from "../lib/csv";
import { Problem } from "../parts/basics";
import { Confirm } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { compareHref, MOST_COMPARED } from "./compare";
import type { Runs } from "./runs-query";

/** So many requests at a time when each run needs one. */
const AT_ONCE = 6;

export async function each<T>(all: T[], one: (item: T) => Promise<unknown>) {
  const rest = [...all];
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await one(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

export function saveRuns(name: string, runs: ml.Run[], columns: Field[]) {
  const shown = columns.filter((field) => fieldId(field) !== "a.id");
  const cell = (run: ml.Run, field: Field) => {
    const value = valueOf(run, field);
    return field.kind === "attribute" && (field.key === "start" || field.key === "end") && value !== undefined ? new Date(Number(value)).toISOString() : value;
  };
  const head = ["run_id", "run_name", ...shown.map((field) => (field.kind === "attribute" ? headOf(field) : `${field.kind}s.${field.key}`))];
  save(`${name.replace(/[^\w.-]+/g, "-")}.csv`, csv([head, ...runs.map((run) => [run.info.run_id, nameOf(run), ...shown.map((field) => cell(run, field))])]));
}

export function Bulk({ runs, at, name, edit, clear }: { runs: ml.Run[]; at: Runs; name: string; edit: boolean; clear: () => void }) {
  const [deleting, setDeleting] = useState(false);
  const { busy, error, act } = useAction();
  const done = () => { clear(); at.list.reload(); };
  return (
    <div class="bulk" role="group" aria-label="Selected runs">
      <b>{plural(runs.length, "run")} selected</b>
      {runs.length > 1 && runs.length <= MOST_COMPARED && <a class="btn small primary" href={compareHref(runs.map((run) => run.info.run_id))}><Icon name="columns" />Compare</a>}
      {runs.length > MOST_COMPARED && <span class="muted">Compare takes {MOST_COMPARED} at most</span>}
      <button type="button" class="btn small" onClick={() => saveRuns(name, runs, at.columns)}><Icon name="down" />CSV</button>
      {edit && (at.deleted
        ? <button type="button" class="btn small" disabled={busy} onClick={() => void act(() => each(runs, (run) => ml.runRestore(run.info.run_id)), done)}><Icon name="undo" />Restore</button>
        : <button type="button" class="btn small quiet-danger" onClick={() => setDeleting(true)}><Icon name="trash" />Delete</button>)}
      <button type="button" class="btn small" onClick={clear}>Clear</button>
      {error && <Problem error={error} />}
      {deleting && (
        <Confirm title={`Delete ${plural(runs.length, "run")}`} submit="Delete" close={() => setDeleting(false)} save={() => each(runs, (run) => ml.runDelete(run.info.run_id))} after={done}>
          <p>{runs.slice(0, 5).map((run, i) => <span key={run.info.run_id}>{i > 0 && ", "}<b>{nameOf(run)}</b></span>)}{runs.length > 5 && ` and ${runs.length - 5} more`} {runs.length === 1 ? "leaves" : "leave"} every list. Under “Deleted” they can be restored.</p>
        </Confirm>
      )}
    </div>
  );
}
