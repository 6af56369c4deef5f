// Writing a pipeline and running one: the YAML is checked by the server as it is typed.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { go, path } from "../lib/router";
import { useLoad, useSettled } from "../lib/use";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";

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
  const [text, setText] = useState(pipeline?.definition ?? START);
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
      {pipeline.params.length === 0 && <p>It takes no parameters. {pipeline.tasks.length} tasks will run.</p>}
      {pipeline.params.map((p) => <Field key={p.name} label={p.name} hint={p.default === null ? "It has no default." : <>default <code>{p.default || "empty"}</code></>}><input class="mono" value={values[p.name]} onInput={(e) => { const value = e.currentTarget.value; setValues((old) => ({ ...old, [p.name]: value })); }} /></Field>)}
    </FormModal>
  );
}
