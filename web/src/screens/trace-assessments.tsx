// How a trace was judged, by people and by judges; and a form to judge it oneself.
import { useState } from "preact/hooks";
import { useMay } from "../lib/session";
import * as tr from "../lib/traces";
import { Card, Time } from "../parts/basics";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { say } from "./traces";

const KINDS: Record<string, string> = { HUMAN: "person", LLM_JUDGE: "judge", CODE: "code", AI_JUDGE: "judge" };

export function Assessments({ info, after }: { info: tr.TraceInfo; after: () => void }) {
  const { edit } = useMay();
  const [judging, setJudging] = useState(false);
  const [dropping, setDropping] = useState<tr.Assessment>();
  const all = (info.assessments ?? []).filter((one) => one.valid !== false);
  return (
    <Card flush title={<>Assessments <span class="count">{all.length}</span></>} actions={edit && <button type="button" class="btn small" onClick={() => setJudging(true)}><Icon name="plus" />Add feedback</button>}>
      {all.length === 0 && <p class="note">Nobody has judged this trace yet.</p>}
      <ul class="verdicts">
        {all.map((one) => {
          const error = one.error ?? one.feedback?.error;
          const by = one.source;
          return (
            <li key={one.assessment_id}>
              <p><b>{one.assessment_name}</b><span class="verdict-value">{error ? <span class="bad">{error.error_message ?? error.error_code}</span> : say(tr.verdict(one))}</span>{one.expectation && <span class="tag"><b>expected</b></span>}</p>
              {one.rationale && <p>{one.rationale}</p>}
              <p class="muted">{by ? `${KINDS[by.source_type] ?? by.source_type.toLowerCase()} ${by.source_id ?? ""}` : ""} · <Time at={one.create_time} /></p>
              {edit && <button type="button" class="icon-btn" aria-label={`Delete ${one.assessment_name}`} onClick={() => setDropping(one)}><Icon name="trash" /></button>}
            </li>
          );
        })}
      </ul>
      {judging && <Judge id={info.trace_id} close={() => setJudging(false)} after={after} />}
      {dropping && (
        <Confirm title="Delete the assessment" submit="Delete" close={() => setDropping(undefined)} after={after} save={() => tr.assessmentDelete(info.trace_id, dropping.assessment_id)}>
          <p><b>{dropping.assessment_name}</b> ({say(tr.verdict(dropping))}) is removed for good.</p>
        </Confirm>
      )}
    </Card>
  );
}

function Judge({ id, close, after }: { id: string; close: () => void; after: () => void }) {
  const { me } = useMay();
  const [name, setName] = useState("correct");
  const [value, setValue] = useState("yes");
  const [why, setWhy] = useState("");
  // Yes and no are truth values, numbers are numbers; everything else is a text.
  const meant = () => (value === "yes" ? true : value === "no" ? false : value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value);
  return (
    <FormModal title="Add feedback" submit="Add" close={close} after={after} disabled={!name.trim() || !value.trim()} save={() => tr.feedback(id, name.trim(), meant(), why.trim(), me?.user ?? "")}>
      <Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} autofocus /></Field>
      <Field label="Value" hint="yes, no, a number or a word."><input value={value} list="verdicts" onInput={(e) => setValue(e.currentTarget.value)} /></Field>
      <datalist id="verdicts"><option value="yes" /><option value="no" /></datalist>
      <Field label="Why"><textarea rows={3} value={why} onInput={(e) => setWhy(e.currentTarget.value)} /></Field>
    </FormModal>
  );
}
