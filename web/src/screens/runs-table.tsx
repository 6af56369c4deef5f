// The table of runs: a column per chosen field, a tick per run, heads of groups where they are grouped.
import { useEffect, useMemo, useState } from "preact/hooks";
import { fieldId, headOf, nameOf, orderOf, textOf, valueOf, type Field } from "../lib/fields";
import { number, plural } from "../lib/format";
import { grouped, isGroup, nested, parentOf, spread, type Group, type Line, type Nest } from "../lib/group";
import type { Run } from "../lib/mlflow";
import { path, setQuery } from "../lib/router";
import { Time } from "../parts/basics";
import { Icon } from "../parts/icon";
import { Status, word } from "../parts/status";
import { Table, type Column } from "../parts/table";
import { MOST_RUNS, START, type Runs } from "./runs-query";

interface Props { at: Runs; picked: ReadonlySet<string>; pick: (picked: ReadonlySet<string>) => void }

export function RunsTable({ at, picked, pick }: Props) {
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const group = at.group && fieldId(at.group);
  useEffect(() => { if (group) void at.list.all(MOST_RUNS).catch(() => undefined); }, [group, at.list.stale]);
  const nest = useMemo(() => (at.nest ? nested(at.runs, opened) : undefined), [at.runs, at.nest, opened]);
  const lines = useMemo((): Line[] => (at.group ? grouped(at.runs, at.group, opened) : nest?.lines ?? at.runs), [at.runs, nest, group, opened]);
  const flip = (set: ReadonlySet<string>, keys: string[], on: boolean) => { const next = new Set(set); for (const key of keys) if (on) next.add(key); else next.delete(key); return next; };
  const whole = at.runs.length > 0 && at.runs.every((run) => picked.has(run.info.run_id));
  const ids = (runs: Run[]) => runs.map((run) => run.info.run_id);
  const columns: Column<Line>[] = [
    {
      id: "pick", class: "pick", width: 40,
      head: <input type="checkbox" checked={whole} onChange={() => pick(whole ? new Set() : new Set(ids(at.runs)))} aria-label="Select every loaded run" />,
      cell: (line) => {
        const runs = isGroup(line) ? line.runs : [line];
        const on = runs.every((run) => picked.has(run.info.run_id));
        return <input type="checkbox" checked={on} onChange={() => pick(flip(picked, ids(runs), !on))} aria-label={isGroup(line) ? `Select group ${line.group}` : `Select ${nameOf(line)}`} />;
      },
    },
    {
      id: "name", head: "Run", class: "pin", width: 250, sort: "attributes.run_name",
      cell: (line) => (isGroup(line)
        ? <GroupHead of={line} field={at.group} flip={() => setOpened(flip(opened, [line.group], !line.open))} />
        : <RunName run={line} nest={nest} open={opened.has(line.info.run_id)} flip={() => setOpened(flip(opened, [line.info.run_id], !opened.has(line.info.run_id)))} />),
    },
    ...at.columns.map((field): Column<Line> => ({
      id: fieldId(field), head: headOf(field), sort: orderOf(field), width: widthOf(field), class: classOf(field),
      cell: (line) => (isGroup(line) ? <Spread of={line} field={field} /> : <Cell run={line} field={field} />),
    })),
  ];
  return (
    <Table
      label="Runs" columns={columns} rows={lines} rowKey={(line) => (isGroup(line) ? `group ${line.group}` : line.info.run_id)}
      href={(line) => (isGroup(line) ? undefined : path("runs", line.info.run_id))}
      sort={at.order} onSort={(next) => setQuery({ order: next === START ? null : next })} tall={{ onEnd: at.list.more, stale: at.list.stale }}
    />
  );
}

const widthOf = ({ kind, key }: Field) => (kind === "attribute" ? (key === "id" ? 290 : key === "status" ? 134 : 120) : Math.max(kind === "metric" ? 104 : 120, Math.min(210, key.length * 8 + 44)));
const classOf = ({ kind, key }: Field) => (kind === "metric" || (kind === "attribute" && key === "took") ? "num" : kind === "param" ? "param" : "");

function Cell({ run, field }: { run: Run; field: Field }) {
  if (field.kind === "attribute") {
    if (field.key === "status") return <Status state={run.info.status} />;
    if (field.key === "start" || field.key === "end") return <Time at={field.key === "start" ? run.info.start_time : run.info.end_time} />;
    const parent = field.key === "parent" && valueOf(run, field);
    if (parent) return <a href={path("runs", parent)}><code>{String(parent).slice(0, 8)}</code></a>;
  }
  const value = valueOf(run, field);
  return value === undefined ? <span class="muted">–</span> : <span title={field.kind === "attribute" ? undefined : String(value)}>{textOf(run, field)}</span>;
}

/** A run's name; one that has others inside opens and closes them. */
function RunName({ run, nest, open, flip }: { run: Run; nest?: Nest; open: boolean; flip: () => void }) {
  const id = run.info.run_id;
  const inside = nest?.inside.get(id)?.length;
  const depth = nest?.depth.get(id) ?? 0;
  const link = <a class="cut strong" href={path("runs", id)} title={nameOf(run)}>{depth === 0 && parentOf(run) && <span class="muted" title="A run inside another">↳ </span>}{nameOf(run)}</a>;
  if (!nest) return link;
  return (
    <span class="nested" style={{ paddingLeft: `${depth * 16}px` }}>
      {inside ? <button type="button" class="icon-btn" aria-expanded={open} aria-label={`${open ? "Hide" : "Show"} the ${plural(inside, "run")} inside`} onClick={flip}><Icon name="chevron" size={12} /></button> : <i class="leaf" />}
      {link}
      {inside ? <span class="count">{number(inside)}</span> : null}
    </span>
  );
}

function GroupHead({ of, field, flip }: { of: Group; field?: Field; flip: () => void }) {
  const label = field?.kind === "attribute" && field.key === "status" ? word(of.group) : of.group;
  return (
    <button type="button" class="group-head" aria-expanded={of.open} onClick={flip} title={label}>
      <Icon name="chevron" size={12} /><b class="cut">{label || "none"}</b><span class="count" aria-label={plural(of.runs.length, "run")}>{number(of.runs.length)}</span>
    </button>
  );
}

/** A group's mean; its range is a hover away. */
function Spread({ of, field }: { of: Group; field: Field }) {
  const found = field.kind === "metric" ? spread(of.runs, field) : undefined;
  return found ? <span class="mean" title={`least ${number(found.least)}, mean ${number(found.mean)}, greatest ${number(found.most)}`}><i>mean</i> {number(found.mean)}</span> : null;
}
