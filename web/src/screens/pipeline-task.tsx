// One step of a run: why it waits or how it ended, its tries, log and outputs, and what can be done about it.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { bytes, number, plural } from "../lib/format";
import { setQuery } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Problem, Skeleton } from "../parts/basics";
import { Confirm, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Log } from "../parts/log";
import { Status } from "../parts/status";
import { objectHref } from "./pipeline-event";

const CALM = new Set(["cancelled", "waiting", "queued", "skipped", "success", "running"]);

export function TaskPanel({ run, task, attempt: wanted, changed }: { run: api.PipeRun; task: api.PipeTask; attempt?: number; changed: () => void }) {
  const { edit } = useMay();
  const [dialog, setDialog] = useState<"clear" | "success" | "failed">();
  const attempt = wanted && wanted <= task.attempt ? wanted : task.attempt;
  const close = () => setDialog(undefined);
  /** The step stays on show whatever becomes of the others. */
  const open = (what: typeof dialog) => {
    setQuery({ task: task.id });
    setDialog(what);
  };
  return (
    <Card
      flush title={<>{task.id} <Status state={task.state} /></>} class="viewer"
      actions={edit && <>
        <button type="button" class="btn small" onClick={() => open("clear")}><Icon name="play" size={12} />Run again from here</button>
        {task.state !== "success" && <button type="button" class="btn small" onClick={() => open("success")}>Mark success</button>}
        {task.state !== "failed" && <button type="button" class="btn small" onClick={() => open("failed")}>Mark failed</button>}
      </>}
    >
      <Why task={task} />
      {task.attempt > 1 && <Tries run={run} task={task} current={attempt} />}
      {task.output && <Outputs output={task.output} />}
      {attempt > 0
        ? <Log key={`${task.id}/${attempt}`} url={api.taskLogUrl(run.id, task.id, attempt)} live={task.state === "running"} find={(text) => api.taskLogSearch(run.id, task.id, attempt, text)} />
        : <Empty kind="start" icon="clock" title={task.mapped ? `It was run once for each of ${plural(task.mapped, "item")}` : "This step has not started"}>{task.needs.length > 0 && <p>It needs {task.needs.join(", ")}.</p>}</Empty>}
      {dialog === "clear" && <ClearTask run={run} tasks={[task.id]} close={close} after={changed} />}
      {(dialog === "success" || dialog === "failed") && (
        <Confirm title={`Mark ${task.id} as ${dialog}`} submit={`Mark as ${dialog}`} close={close} after={changed} save={() => api.pipeRunMark(run.id, [task.id], dialog)}>
          <p>Whatever it did, <b>{task.id}</b> counts as {dialog}, and what follows from it is decided by that.{task.state === "running" && " It runs now, and is ended."}</p>
        </Confirm>
      )}
    </Card>
  );
}

function Why({ task }: { task: api.PipeTask }) {
  if (task.waiting_for) return <p class="note waits-note"><Icon name="clock" size={14} /> <b>Why it waits:</b> {task.waiting_for}</p>;
  const text = task.reason ?? (task.exit_code ? `Exit code ${task.exit_code}` : undefined);
  return text ? <p class={`note ${CALM.has(task.state) ? "" : "bad"}`}>{text}</p> : null;
}

function Tries({ run, task, current }: { run: api.PipeRun; task: api.PipeTask; current: number }) {
  const tries = useLoad(() => api.taskAttempts(run.id, task.id), [run.id, task.id, task.attempt, task.state]);
  const of = (n: number) => tries.data?.find((one) => one.attempt === n);
  const chosen = of(current);
  return (
    <div class="tries">
      <div class="segments" role="group" aria-label="Attempt">
        {Array.from({ length: task.attempt }, (_, i) => <button key={i} type="button" aria-pressed={current === i + 1} onClick={() => setQuery({ task: task.id, attempt: String(i + 1) })}>try {i + 1}</button>)}
      </div>
      {chosen && <Status state={chosen.state} />}
      {chosen?.reason && current !== task.attempt && <span class="muted">{chosen.reason}</span>}
    </div>
  );
}

/** Where the whole of a large output is; what stands beside it here is the part of it that is small. */
const STORED = "$stored";
interface Stored { bucket: string; key: string; size: number }

function Outputs({ output }: { output: Record<string, unknown> }) {
  const pairs = Object.entries(output).filter(([name]) => name !== STORED);
  const stored = output[STORED] as Stored | undefined;
  if (pairs.length === 0 && !stored) return null;
  return (
    <div class="outputs">
      <h3>Outputs</h3>
      {pairs.length > 0 && <table class="pairs"><tbody>{pairs.map(([name, value]) => <tr key={name}><th scope="row">{name}</th><td class="mono">{typeof value === "string" ? value : JSON.stringify(value)}</td></tr>)}</tbody></table>}
      {stored && <p class="stored"><Icon name="file" size={14} /><span>The whole output is <b title={`${number(stored.size)} bytes`}>{bytes(stored.size)}</b>, too large to show here: <a href={objectHref(stored.bucket, stored.key)}><code>s3://{stored.bucket}/{stored.key}</code></a></span></p>}
    </div>
  );
}

/** Asks before tasks run again, with the list of all that will. */
export function ClearTask({ run, tasks, only_failed, close, after }: { run: api.PipeRun; tasks: string[]; only_failed?: boolean; close: () => void; after: () => void }) {
  const [downstream, setDownstream] = useState(true);
  const [latest, setLatest] = useState(false);
  const what = { tasks, downstream, only_failed, latest };
  const preview = useLoad(() => api.pipeRunClear(run.id, { ...what, dry_run: true }), [run.id, downstream, tasks.join()]);
  const cleared = preview.data?.cleared;
  return (
    <FormModal title={only_failed ? "Run the failed steps again" : `Run again from ${tasks.join(", ")}`} submit="Run again" close={close} after={after} disabled={!cleared?.length} save={() => api.pipeRunClear(run.id, what)}>
      <label class="check"><input type="checkbox" checked={downstream} onChange={(e) => setDownstream(e.currentTarget.checked)} />with all that follows</label>
      <label class="check"><input type="checkbox" checked={latest} onChange={(e) => setLatest(e.currentTarget.checked)} />from the latest definition: steps that are new join the run, those that are gone count no more</label>
      {preview.error && <Problem error={preview.error} />}
      {!cleared && !preview.error && <Skeleton rows={2} />}
      {cleared && <p>{cleared.length === 0 ? "Nothing would run again." : <>These run again: <b>{cleared.slice(0, 40).join(", ")}</b>{cleared.length > 40 && ` and ${cleared.length - 40} more`}. What they gave before is forgotten; the logs of earlier tries stay.</>}</p>}
    </FormModal>
  );
}
