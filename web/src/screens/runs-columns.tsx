// Choosing the columns of the runs table.
import { useState } from "preact/hooks";
import { fieldId, fieldsText, headOf, KINDS, type Field } from "../lib/fields";
import { setQuery } from "../lib/router";
import { Modal } from "../parts/dialog";
import type { Runs } from "./runs-query";

export function Columns({ at, close }: { at: Runs; close: () => void }) {
  const [text, setText] = useState("");
  const on = new Set(at.columns.map(fieldId));
  const put = (fields: Field[]) => setQuery({ cols: fields.length ? fieldsText(fields) : "-" });
  const toggle = (field: Field) => put(on.has(fieldId(field)) ? at.columns.filter((one) => fieldId(one) !== fieldId(field)) : [...at.columns, field]);
  const fits = (field: Field) => headOf(field).toLowerCase().includes(text.toLowerCase());
  const none = KINDS.every(([kind]) => !at.known[kind].some(fits));
  return (
    <Modal title="Columns" close={close} class="modal wide">
      <div class="modal-body">
        <input value={text} onInput={(event) => setText(event.currentTarget.value)} placeholder="Find a metric, param or tag" aria-label="Find a column" autofocus />
        <div class="column-kinds">
          {KINDS.map(([kind, label]) => {
            const fields = at.known[kind].filter(fits);
            if (fields.length === 0) return null;
            const whole = fields.every((field) => on.has(fieldId(field)));
            const others = at.columns.filter((one) => !fields.some((field) => fieldId(field) === fieldId(one)));
            return (
              <fieldset key={kind}>
                <legend>{label}<button type="button" class="link" onClick={() => put(whole ? others : [...others, ...fields])}>{whole ? "none" : "all"}</button></legend>
                {fields.map((field) => (
                  <label key={field.key} class="check"><input type="checkbox" checked={on.has(fieldId(field))} onChange={() => toggle(field)} /><span class="cut" title={headOf(field)}>{headOf(field)}</span></label>
                ))}
              </fieldset>
            );
          })}
          {none && <p class="muted">Nothing is called “{text}” in the runs loaded so far.</p>}
        </div>
      </div>
      <footer class="modal-foot">
        <button type="button" class="btn" disabled={!at.chosen} onClick={() => setQuery({ cols: null })}>As at first</button>
        <button type="button" class="btn primary" onClick={close}>Done</button>
      </footer>
    </Modal>
  );
}
