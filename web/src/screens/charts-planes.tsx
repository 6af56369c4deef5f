// Parallel coordinates and the scatter of an experiment's runs; the axes are chosen here and live in the URL.
import { useMemo } from "preact/hooks";
import { covered, worthiest } from "../lib/coverage";
import { fieldId, fieldOf, fieldsIn, fieldsText, headOf, nameOf, valueOf, type Field } from "../lib/fields";
import { number } from "../lib/format";
import type { Run } from "../lib/mlflow";
import { path, setQuery, usePlace } from "../lib/router";
import { scaleOf } from "../lib/scale";
import { Card, Empty } from "../parts/basics";
import { Parallel } from "../parts/parallel";
import { Shades, type Dot } from "../parts/plane";
import { Scatter } from "../parts/scatter";
import type { Runs } from "./runs-query";

/** More lines or dots than this say nothing more. */
const MOST_LINES = 1_000;
const MOST_DOTS = 4_000;
const MOST_AXES = 9;

const dotsOf = (runs: Run[], fields: Field[]): Dot[] => runs.map((run) => ({ name: nameOf(run), href: path("runs", run.info.run_id), values: fields.map((field) => numeric(valueOf(run, field))) }));

/** Params are texts; those that read as numbers are placed as numbers, and metrics that are no number are left out. */
const numeric = (value: string | number | undefined) => (typeof value === "string" && value !== "" && Number.isFinite(Number(value)) ? Number(value) : value === "NaN" || value === "Infinity" || value === "-Infinity" ? undefined : value);

const usable = (at: Runs): Field[] => [...at.known.metric, ...at.known.param, { kind: "attribute", key: "took" }, { kind: "attribute", key: "start" }];

function Axis({ label, value, fields, none, set }: { label: string; value?: Field; fields: Field[]; none?: string; set: (id: string | null) => void }) {
  return (
    <label class="axis-choice"><span>{label}</span>
      <select class="select" value={value ? fieldId(value) : ""} onChange={(event) => set(event.currentTarget.value || null)}>
        {none && <option value="">{none}</option>}
        {fields.map((field) => <option key={fieldId(field)} value={fieldId(field)}>{headOf(field)}{field.kind === "param" ? " (param)" : ""}</option>)}
      </select>
    </label>
  );
}

const Checked = ({ label, name, on }: { label: string; name: string; on: boolean }) => <label class="check"><input type="checkbox" checked={on} onChange={(event) => setQuery({ [name]: event.currentTarget.checked ? "1" : null })} />{label}</label>;

/** What was measured of the model; the machine's own metrics come after those. */
const measured = (at: Runs) => { const own = at.known.metric.filter((field) => !field.key.startsWith("system/")); return own.length > 0 ? own : at.known.metric; };

/** The axes of a scatter nobody chose: a param that most runs have against a metric that they have. */
function scattered(at: Runs): [Field | undefined, Field | undefined] {
  const [y, other] = worthiest(at.runs, measured(at));
  return [worthiest(at.runs, at.known.param)[0] ?? other, y];
}

export function ScatterChart({ at }: { at: Runs }) {
  const { query } = usePlace();
  const fields = usable(at);
  const [first, usualY] = useMemo(() => scattered(at), [at.runs, at.known]);
  const x = fieldOf(query.get("sx")) ?? first ?? fields[0];
  const y = fieldOf(query.get("sy")) ?? usualY ?? fields[0];
  const tint = fieldOf(query.get("sc"));
  const runs = at.runs.slice(0, MOST_DOTS);
  const chosen = [x, y, tint].filter((field) => field !== undefined);
  const key = fieldsText(chosen);
  const dots = useMemo(() => dotsOf(runs, chosen), [at.runs, key]);
  return (
    <Card>
      <div class="axes">
        <Axis label="X" value={x} fields={fields} set={(sx) => setQuery({ sx })} /><Checked label="log" name="slx" on={query.get("slx") === "1"} />
        <Axis label="Y" value={y} fields={fields} set={(sy) => setQuery({ sy })} /><Checked label="log" name="sly" on={query.get("sly") === "1"} />
        <Axis label="Colour" value={tint} fields={fields} none="none" set={(sc) => setQuery({ sc })} />
      </div>
      <Scatter dots={dots} heads={chosen.map(headOf)} log={[query.get("slx") === "1", query.get("sly") === "1"]} />
      {tint && <Ends dots={dots} place={2} label={headOf(tint)} />}
      <Shown count={runs.length} at={at} />
    </Card>
  );
}

export function ParallelChart({ at }: { at: Runs }) {
  const { query } = usePlace();
  const fields = usable(at);
  const text = query.get("axes");
  const usual = useMemo(() => [...covered(at.runs, at.known.param, 5), ...covered(at.runs, measured(at), 2).reverse()], [at.runs, at.known]);
  const axes = (text === null ? usual : fieldsIn(text)).slice(0, MOST_AXES);
  const runs = at.runs.slice(0, MOST_LINES);
  const key = fieldsText(axes);
  const dots = useMemo(() => dotsOf(runs, axes), [at.runs, key]);
  const put = (next: Field[]) => setQuery({ axes: fieldsText(next) || "-" });
  const others = fields.filter((field) => !axes.some((one) => fieldId(one) === fieldId(field)));
  const last = axes.at(-1);
  return (
    <Card>
      <div class="axes">
        {axes.map((field) => <span key={fieldId(field)} class="tag"><b>{headOf(field)}</b><button type="button" class="link" aria-label={`Leave out ${headOf(field)}`} onClick={() => put(axes.filter((one) => one !== field))}>×</button></span>)}
        {axes.length < MOST_AXES && others.length > 0 && <Axis label="" fields={others} none="Add an axis…" set={(id) => { const field = fieldOf(id); if (field) put([...axes, field]); }} />}
        <Checked label="Log scale" name="plog" on={query.get("plog") === "1"} />
      </div>
      {axes.length < 2 || !last ? <Empty kind="start" icon="chart" title="Two axes at least"><p>Add params and metrics above; the last one colours the lines.</p></Empty> : (
        <>
          <Parallel key={key} dots={dots} heads={axes.map(headOf)} log={query.get("plog") === "1"} />
          <Ends dots={dots} place={axes.length - 1} label={headOf(last)} />
        </>
      )}
      <Shown count={runs.length} at={at} />
    </Card>
  );
}

/** What the ends of the colours mean. */
function Ends({ dots, place, label }: { dots: Dot[]; place: number; label: string }) {
  const values = dots.map((dot) => dot.values[place]);
  const numbers = values.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  const { ticks } = scaleOf(values, false);
  const [low, high] = numbers.length > 0 ? [number(numbers.reduce((a, b) => Math.min(a, b))), number(numbers.reduce((a, b) => Math.max(a, b)))] : [ticks[0]?.label ?? "–", ticks.at(-1)?.label ?? "–"];
  return <Shades label={label} low={low} high={high} />;
}

const Shown = ({ count, at }: { count: number; at: Runs }) => <p class="muted plane-hint">{number(count)} runs{at.list.open || count < at.runs.length ? ", the first in the table's order; a filter chooses others" : ""}.</p>;
