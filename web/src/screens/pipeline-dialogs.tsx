// Writing a pipeline and running one: the YAML is checked by the server as it is typed.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { go, path } from "../lib/router";
import { plural } from "../lib/format";
import { useLoad, useSettled } from "../lib/use";
import { Problem } from "../parts/basics";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { takes } from "./pipeline-about";

export const EXAMPLE = `name: nightly
schedule: "30 2 * * *"
timezone: Europe/Berlin
params:
  rows: 1000
tasks:
  - id: fetch
    run: python fetch.py --rows "$ROWS"
    env: { ROWS: "{{ params.rows }}" }
  - id: train
    needs: [fetch]
    run: python train.py
    retries: 2
    timeout: 30m
`;
const START = `name: hello
tasks:
  - id: greet
    run: echo "hello from Crannog"
`;

export function EditPipeline({ pipeline, close, after }: { pipeline?: api.Pipeline; close: () => void; after: (name: string) => void }) {
  const [text, setText] = useState(pipeline?.rejected?.text || pipeline?.definition || START);
  const settled = useSettled(text, 400);
  const check = useLoad(() => api.pipelineValidate(settled), [settled]);
  const name = pipeline?.name ?? /^name:\s*["']?([\w.-]+)/m.exec(text)?.[1] ?? "";
  return (
    <FormModal wide title={pipeline ? `Edit ${pipeline.name}` : "New pipeline"} submit="Save" close={close} disabled={!name || check.data?.ok === false} save={() => api.pipelinePut(name, text)} after={() => after(name)}>
      <Field label="Definition"><textarea class="mono editor" rows={18} spellcheck={false} value={text} onInput={(e) => setText(e.currentTarget.value)} /></Field>
      <div class="verdict" aria-live="polite">
        {check.data?.ok && <span class="status tone-ok"><Icon name="check" size={14} />Valid</span>}
        {check.data?.errors.map((e, i) => <p key={i} class="bad"><Icon name="cross" size={14} />{e.line !== null && <b>line {e.line}{e.column !== null ? `, column ${e.column}` : ""}: </b>}{e.message}</p>)}
      </div>
    </FormModal>
  );
}

export function RunNow({ pipeline, close }: { pipeline: api.Pipeline; close: () => void }) {
  const [values, setValues] = useState<Record<string, string>>(Object.fromEntries(pipeline.params.map((p) => [p.name, p.default ?? ""])));
  // What was left as it is stays the definition's business; a parameter without a default must be given.
  const changed = () => Object.fromEntries(pipeline.params.filter((p) => values[p.name] !== p.default).map((p) => [p.name, values[p.name]]));
  return (
    <FormModal title={`Run ${pipeline.name}`} submit="Run now" close={close} save={async () => go(path("pipeline-runs", (await api.pipelineRun(pipeline.name, changed())).id))}>
      {pipeline.params.length === 0 && <p>It takes no parameters. {plural(pipeline.tasks.length, "task")} will run.</p>}
      {pipeline.params.map((p) => <ParamField key={p.name} param={p} value={values[p.name] ?? ""} set={(value) => setValues((old) => ({ ...old, [p.name]: value }))} />)}
    </FormModal>
  );
}

function ParamField({ param, value, set }: { param: api.PipeParam; value: string; set: (value: string) => void }) {
  // The list of choices is the input itself.
  const bounds = takes({ ...param, enum: undefined });
  const hint = <>{param.description && <>{param.description.replace(/[.\s]*$/, "")}. </>}{param.default === null ? "It has no default." : <>Default <code>{param.default || "empty"}</code></>}{bounds && <>, {bounds}</>}</>;
  return <Field label={param.type ? `${param.name} (${param.type})` : param.name} hint={hint}><ParamInput param={param} value={value} set={set} /></Field>;
}

/** The input that fits the type. What it lets through the server checks once more. */
function ParamInput({ param, value, set }: { param: api.PipeParam; value: string; set: (value: string) => void }) {
  const choices = param.enum ?? (param.type === "boolean" ? ["true", "false"] : undefined);
  if (choices) {
    return (
      <select value={value} onChange={(e) => set(e.currentTarget.value)}>
        {!choices.includes(value) && <option value={value}>{value || "Choose…"}</option>}
        {choices.map((one) => <option key={one} value={one}>{one}</option>)}
      </select>
    );
  }
  if (param.type === "array") return <textarea class="mono" rows={3} value={value} placeholder={'["a", "b"]'} onInput={(e) => set(e.currentTarget.value)} />;
  const common = { class: "mono", value, required: param.default === null, onInput: (e: { currentTarget: HTMLInputElement }) => set(e.currentTarget.value) };
  if (param.type === "integer" || param.type === "number") return <input type="number" step={param.type === "number" ? "any" : 1} min={param.minimum} max={param.maximum} {...common} />;
  if (param.type === "date") return <input type="date" {...common} />;
  return <input type="text" placeholder={param.type === "datetime" ? "2026-01-31T02:30:00Z" : undefined} {...common} />;
}

const dayBefore = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);

/** Which runs a span of the past lacks, before they are made. */
export function Backfill({ name, close, after }: { name: string; close: () => void; after: () => void }) {
  const [from, setFrom] = useState(dayBefore(7));
  const [until, setUntil] = useState(dayBefore(0));
  const span = useSettled(`${from} ${until}`, 300);
  const ask = (dry_run: boolean) => api.pipelineBackfill(name, { from: `${from}T00:00:00Z`, until: `${until}T23:59:59Z`, dry_run });
  const preview = useLoad(() => ask(true), [span]);
  const missing = preview.data?.filter((one) => !one.exists) ?? [];
  return (
    <FormModal title={`Fill in the past of ${name}`} submit={missing.length ? `Make ${plural(missing.length, "run")}` : "Nothing to make"} close={close} disabled={missing.length === 0 || !!preview.error} save={() => ask(false)} after={after}>
      <div class="pair-fields">
        <Field label="From (UTC)"><input type="date" value={from} max={until} required onInput={(e) => setFrom(e.currentTarget.value)} /></Field>
        <Field label="Until (UTC)"><input type="date" value={until} min={from} required onInput={(e) => setUntil(e.currentTarget.value)} /></Field>
      </div>
      {preview.error && <Problem error={preview.error} />}
      {preview.data && (
        <div class="backfill" aria-live="polite">
          <p>{preview.data.length === 0 ? "The schedule does not fire in this span." : <>The schedule fires {plural(preview.data.length, "time")} in this span; <b>{plural(missing.length, "run")}</b> {missing.length === 1 ? "is" : "are"} missing and would be made.</>}</p>
          <ul>{preview.data.slice(0, 200).map((one) => <li key={one.logical_at}><time dateTime={one.logical_at}>{one.logical_at.slice(0, 16).replace("T", " ")}</time><span class="muted">{one.exists ? "has its run" : "to be made"}</span></li>)}</ul>
          {preview.data.length > 200 && <p class="muted">and {preview.data.length - 200} more</p>}
        </div>
      )}
    </FormModal>
  );
}
